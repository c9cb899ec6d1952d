package main

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
	kube "github.com/syncer-io/syncer/replicator/kube/source"
)

// live has objects come from the source that a configuration names.
func (o *policyExplainOptions) live(cmd *cobra.Command, s *session) (origin, error) {
	cfg, _, err := s.exporterConfig(config.Overlay{})
	if err != nil {
		return origin{}, err
	}
	c := filter.Cluster{Prefix: cfg.Source.KubernetesPrefix}
	if cmd.Flags().Changed("etcd-prefix") {
		if c, err = o.cluster.cluster(); err != nil {
			return origin{}, err
		}
	}
	return origin{cluster: c, read: func(name string) (key, value []byte, err error) {
		if key, err = manifest.Key(name, c.Prefix); err != nil {
			return nil, nil, err
		}
		value, err = readSource(cmd.Context(), s, cmd, cfg, key)
		return key, value, err
	}}, nil
}

// readSource reads one key of the source.
func readSource(ctx context.Context, s *session, cmd *cobra.Command, cfg *config.Exporter, key []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	log := s.log.quiet(cmd.ErrOrStderr())
	if !cfg.Source.HasEtcd() {
		return readAPIServer(ctx, cfg, key, log)
	}
	value, err := readEtcd(ctx, cfg.Source.Etcd, key, log)
	if err == nil && object.Encrypted(value) && cfg.Source.Kubernetes != nil {
		return readAPIServer(ctx, cfg, key, log)
	}
	return value, err
}

func readEtcd(ctx context.Context, e config.Etcd, key []byte, log *slog.Logger) ([]byte, error) {
	cli, err := dial.Dial(ctx, replicator.EtcdConfig(e), log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = cli.Close() }() // it was only to look
	resp, err := clientv3.NewKV(cli).Get(ctx, string(key))
	if err != nil {
		return nil, dial.Explain(err, e.Endpoints[0], string(key))
	}
	if len(resp.Kvs) == 0 {
		return nil, noObject(key)
	}
	return resp.Kvs[0].Value, nil
}

func readAPIServer(ctx context.Context, cfg *config.Exporter, key []byte, log *slog.Logger) (value []byte, err error) {
	cli, err := client.Connect(ctx, replicator.KubernetesConfig(cfg.Source.Kubernetes.Access()), log)
	if err != nil {
		return nil, err
	}
	one := change.Range{Lo: key, Hi: append(bytes.Clone(key), 0)}
	src := kube.New(cli, cfg.Source.KubernetesPrefix, []change.Range{one}, replicator.SourceOptions(cfg), log)
	err = src.Fetch(ctx, [][]byte{key}, func(found []source.Item, _ [][]byte, _ int64) error {
		if len(found) == 0 {
			return noObject(key)
		}
		value = found[0].Value
		return nil
	})
	return value, err
}

func noObject(key []byte) error {
	return fault.New(fault.General, "check the name; or give the object with --object", "the source holds no %s", key)
}
