package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	etcdsource "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/exporter"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
	kubesource "github.com/syncer-io/syncer/replicator/kube/source"
)

// reading is the cluster that an exporter reads: one of its clients or both.
type reading struct {
	cfg    *config.Exporter
	logger *slog.Logger
	tried  chan struct{} // closed once the first attempt to connect has ended

	mu   sync.Mutex
	etcd *clientv3.Client // nil without one in the configuration
	api  *client.Client   // so is this
	away error            // why there is no client yet; nil once all are there
}

func newReading(cfg *config.Exporter, logger *slog.Logger) *reading {
	return &reading{cfg: cfg, logger: logger, tried: make(chan struct{}), away: errConnecting}
}

var errConnecting = fault.New(fault.Unreachable, "wait: the exporter connects to it", "the source was not reached yet")

// connect connects to the source, and tries until ctx is done while it cannot: a
// daemon that starts before its cluster says so, and finds it later.
func (r *reading) connect(ctx context.Context) error {
	tried := sync.OnceFunc(func() { close(r.tried) })
	defer tried()
	missed := func(what string, err error) {
		r.missed(fmt.Errorf("%s is not usable: %w", what, err))
		tried()
	}
	var cli *clientv3.Client
	var api *client.Client
	if r.cfg.Source.HasEtcd() {
		err := insist(ctx, func() (err error) {
			cli, err = connect(ctx, dial.Source, r.cfg.Source.Etcd, r.logger)
			return err
		}, func(err error) { missed("the source etcd", err) })
		if err != nil {
			return err
		}
	}
	if k := r.cfg.Source.Kubernetes; k != nil {
		err := insist(ctx, func() (err error) {
			api, err = client.Connect(ctx, KubernetesConfig(k.Access()), r.logger)
			return err
		}, func(err error) { missed("the source API server", err) })
		if err != nil {
			return errors.Join(err, closed(cli))
		}
	}
	r.logger.Info("the source is there", "tier", r.tier())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.etcd, r.api, r.away = cli, api, nil
	return nil
}

// missed notes why the source cannot be read yet.
func (r *reading) missed(err error) {
	r.logger.Error("the source is not usable, trying again", "cause", err.Error(), "try", fault.Try(err))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = err
}

func (r *reading) clients() (*clientv3.Client, *client.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.etcd, r.api, r.away
}

// insist tries until it works or ctx is done, and tells of each failure.
func insist(ctx context.Context, try func() error, tell func(error)) error {
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errDone
		}
		tell(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errDone
		}
	}
}

func (r *reading) close() error {
	cli, _, _ := r.clients()
	return closed(cli)
}

func closed(cli *clientv3.Client) error {
	if cli == nil {
		return nil
	}
	return cli.Close()
}

// open gives the reader of one selection, or why the source cannot be read yet.
func (r *reading) open(s *filter.Selection) (exporter.Source, error) {
	cli, api, err := r.clients()
	if err != nil {
		return nil, err
	}
	prefix, ranges := r.cfg.Source.KubernetesPrefix, s.SourceRanges()
	if cli == nil {
		return kubesource.New(api, prefix, ranges, SourceOptions(r.cfg), r.logger), nil
	}
	under := etcdsource.New(cli, ranges, etcdsource.Options{Progress: min(r.cfg.Heartbeat, time.Second)}, r.logger)
	if api == nil {
		return under, nil
	}
	return kubesource.Unseal(under, api, prefix, ranges, SourceOptions(r.cfg), r.logger), nil
}

// SourceOptions are those of the configuration for an API server that is read.
func SourceOptions(cfg *config.Exporter) kubesource.Options {
	return kubesource.Options{Only: cfg.Source.Kubernetes.Resources}
}

// tier is what the source can give.
func (r *reading) tier() string {
	switch {
	case !r.cfg.Source.HasEtcd():
		return kubesource.Tier
	case r.cfg.Source.Kubernetes == nil:
		return etcdsource.Tier
	default:
		return kubesource.TierUnsealed
	}
}
