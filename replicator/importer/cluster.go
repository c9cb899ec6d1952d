package importer

import (
	"context"
	"log/slog"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/raw"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Cluster is what an importer writes to. Its methods are called by one
// goroutine.
type Cluster interface {
	// Open gives the target of a channel, which lies in ranges; none stands for
	// everything, of a target that is only asked. limits, unless zero, are those
	// that an earlier target of the same cluster found.
	Open(ctx context.Context, key target.CursorKey, ranges []change.Range, limits target.Limits) (Target, error)
	// Close ends the connection. Targets are not used after it.
	Close() error
}

// Target is where a channel is written to. *target.Target, the one on etcd, says
// what each method promises. Keys and values that Commit and Replace are given are
// not referred to after the return, but by what they return.
type Target interface {
	Load(ctx context.Context) (target.Cursor, bool, int64, error)
	Claim(ctx context.Context, owner string, mutate func(c target.Cursor, found bool) (target.Cursor, error)) (target.Cursor, int64, error)
	Commit(ctx context.Context, tx target.Tx) (int64, error)
	Split(changes []change.Change) [][]change.Change
	Scan(ctx context.Context, ranges []change.Range, fn func([]change.KV) error) (int64, error)
	Diff(ctx context.Context, c target.Chunk) (target.Replaced, error)
	Replace(ctx context.Context, c target.Chunk) (target.Replaced, error)
	Audit(ctx context.Context, ranges []change.Range, since int64, written int, ours func(int64) bool) (target.Audit, error)
	Probe(ctx context.Context) error
	Limits() target.Limits
	Refused(ctx context.Context, changes []change.Change) ([]target.Refused, error)
	Parked(ctx context.Context) ([]target.Parked, error)
	Park(ctx context.Context, groups []target.Parked) error
	Unpark(ctx context.Context, ids []string) error
	Disown(ctx context.Context, ranges []change.Range) error
	Watch(ctx context.Context, ranges []change.Range, from int64, fn func(writes []target.Local, seen int64) error) error
	Before(ctx context.Context, key []byte, revision int64) (value []byte, found bool, err error)
	Get(ctx context.Context, key []byte) (value []byte, revision int64, err error)
	Guardable() int
	Together() int
	Tier() string
}

// Etcd is the cluster behind a client, which it closes in the end. Keys are not
// written among the objects of an API server, whose --etcd-prefix is the prefix.
func Etcd(cli *clientv3.Client, prefix string, logger *slog.Logger) Cluster {
	return &etcd{cli, prefix, logger}
}

type etcd struct {
	cli    *clientv3.Client
	prefix string
	logger *slog.Logger
}

// Open implements Cluster.
func (e *etcd) Open(ctx context.Context, key target.CursorKey, ranges []change.Range, limits target.Limits) (Target, error) {
	t, err := target.Open(ctx, e.cli, key, e.logger, target.WithRanges(ranges), target.WithLimits(limits))
	if err != nil {
		return nil, err
	}
	if err := raw.Avoid(ctx, t, e.cli, e.prefix, ranges); err != nil {
		return nil, err
	}
	return t, nil
}

// Raw is the cluster whose API server's etcd is behind a client, which it closes
// in the end. Objects are written past that server.
func Raw(cli *clientv3.Client, o raw.Options, logger *slog.Logger) Cluster {
	logger.Warn("objects are written past the API server", "warning", raw.Warning, "try", raw.TryWarning)
	return &past{etcd{cli, o.Prefix, logger}, o}
}

type past struct {
	etcd
	options raw.Options
}

// Open implements Cluster.
func (p *past) Open(ctx context.Context, key target.CursorKey, ranges []change.Range, limits target.Limits) (Target, error) {
	t, err := raw.Open(ctx, p.cli, key, ranges, limits, p.options, p.logger)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Close implements Cluster.
func (e *etcd) Close() error { return e.cli.Close() }

// Kine is the cluster behind a client whose server changes one key per
// transaction. It closes the client in the end.
func Kine(cli *clientv3.Client, logger *slog.Logger) Cluster { return &kineCluster{cli, logger} }

type kineCluster struct {
	cli    *clientv3.Client
	logger *slog.Logger
}

// Open implements Cluster. The limits of a kine are known.
func (k *kineCluster) Open(ctx context.Context, key target.CursorKey, ranges []change.Range, _ target.Limits) (Target, error) {
	return kine.Open(ctx, k.cli, key, ranges, k.logger)
}

// Close implements Cluster.
func (k *kineCluster) Close() error { return k.cli.Close() }
