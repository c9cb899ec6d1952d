package replicator

import (
	"context"
	"log/slog"
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
	etcd   *clientv3.Client
	api    *client.Client
	logger *slog.Logger
}

// openSource connects to the source, and tries for ever while it cannot: a daemon
// that starts before its cluster finds it later.
func openSource(ctx context.Context, cfg *config.Exporter, logger *slog.Logger) (_ *reading, err error) {
	r := &reading{cfg: cfg, logger: logger}
	if cfg.Source.HasEtcd() {
		err := insist(ctx, func() (err error) {
			r.etcd, err = connect(ctx, dial.Source, cfg.Source.Etcd, logger)
			return err
		}, func(err error) {
			logger.Error("the source etcd is not usable, trying again", "cause", err.Error(), "try", fault.Try(err))
		})
		if err != nil {
			return nil, err
		}
	}
	if k := cfg.Source.Kubernetes; k != nil {
		err := insist(ctx, func() (err error) {
			r.api, err = client.Connect(ctx, KubernetesConfig(k.Access()), logger)
			return err
		}, func(err error) {
			logger.Error("the source API server is not usable, trying again", "cause", err.Error(), "try", fault.Try(err))
		})
		if err != nil {
			return nil, joinClose(err, r)
		}
	}
	logger.Info("the source is there", "tier", r.tier())
	return r, nil
}

func joinClose(err error, r *reading) error {
	if closed := r.close(); closed != nil {
		r.logger.Warn("the source etcd was not closed", "cause", closed.Error())
	}
	return err
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
	if r.etcd == nil {
		return nil
	}
	return r.etcd.Close()
}

// open gives the reader of one selection.
func (r *reading) open(s *filter.Selection) exporter.Source {
	prefix, ranges := r.cfg.Source.KubernetesPrefix, s.SourceRanges()
	if r.etcd == nil {
		return kubesource.New(r.api, prefix, ranges, SourceOptions(r.cfg), r.logger)
	}
	under := etcdsource.New(r.etcd, ranges, etcdsource.Options{Progress: min(r.cfg.Heartbeat, time.Second)}, r.logger)
	if r.api == nil {
		return under
	}
	return kubesource.Unseal(under, r.api, prefix, ranges, SourceOptions(r.cfg), r.logger)
}

// SourceOptions are those of the configuration for an API server that is read.
func SourceOptions(cfg *config.Exporter) kubesource.Options {
	return kubesource.Options{Only: cfg.Source.Kubernetes.Resources}
}

// tier is what the source can give.
func (r *reading) tier() string {
	switch {
	case r.etcd == nil:
		return kubesource.Tier
	case r.api == nil:
		return etcdsource.Tier
	default:
		return kubesource.TierUnsealed
	}
}

// owned gives what importers write to the source; nil when nobody can tell.
func (r *reading) owned() func(context.Context) ([]exporter.Owned, error) {
	if r.etcd == nil {
		return nil
	}
	return func(ctx context.Context) ([]exporter.Owned, error) { return owned(ctx, r.etcd) }
}
