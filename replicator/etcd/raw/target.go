package raw

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Tier is that of etcd, past the API server.
const Tier = target.TierEtcd + " (raw)"

// Warning is for whoever runs the edge.
const Warning = "writer: raw writes objects past the API server: no admission, validation, quota, conversion or audit of the edge applies to them"

// TryWarning is the way without it.
const TryWarning = tryKubernetes

// askTime bounds one question to the etcd.
const askTime = 15 * time.Second

// Options say where the objects lie and which may be written.
type Options struct {
	// Prefix is the --etcd-prefix of the API server; "" is /registry.
	Prefix string
	// Further are words of resources that may be written beside configmaps,
	// secrets and custom resources. Those of which MayName says no are refused
	// all the same. Naming secrets says that the edge does not encrypt them, where
	// nothing stored there proves it.
	Further []string
}

// Target writes one channel past the API server of an etcd. It promises what
// [target.Target] does: one transaction with the cursor, and the same errors.
// Besides, Commit gives [target.ErrRefused] for objects that are not written, and
// Refused says of each why. Its methods may run at once as those of
// [target.Target] may.
type Target struct {
	*target.Target
	keys
	cli     *clientv3.Client
	key     target.CursorKey
	further []string
	ranges  []change.Range // delivered

	secrecy secrecy
}

// Open prepares writing the channel. The client stays the caller's. limits are as
// in target.WithLimits.
func Open(ctx context.Context, cli *clientv3.Client, key target.CursorKey, ranges []change.Range, limits target.Limits, o Options, log *slog.Logger) (*Target, error) {
	t := &Target{keys: keys{o.Prefix}, cli: cli, key: key, further: o.Further, ranges: ranges}
	if t.prefix == "" {
		t.prefix = filter.DefaultCluster.Prefix
	}
	stored, err := t.keys.ranges(ranges)
	if err != nil {
		return nil, err
	}
	t.Target, err = target.Open(ctx, cli, key, log, target.WithRanges(stored), target.WithLimits(limits), target.WithObjectsBelow(t.prefix))
	return t, err
}

// Tier tells that the API server is passed by.
func (t *Target) Tier() string { return Tier }

// Disown forgets which keys of the ranges are released.
func (t *Target) Disown(ctx context.Context, ranges []change.Range) error {
	stored, err := t.keys.ranges(ranges)
	if err != nil {
		return err
	}
	return t.Target.Disown(ctx, stored)
}

func (t *Target) explain(err error, keys ...string) error {
	return dial.Explain(err, strings.Join(t.cli.Endpoints(), ","), keys...)
}

// secrecy remembers for a while what is encrypted at rest.
type secrecy struct {
	mu    sync.Mutex
	known map[string]finding
}

type finding struct {
	at  time.Time
	how atRest
}
