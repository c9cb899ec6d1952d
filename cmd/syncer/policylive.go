package main

import (
	"context"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
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
		value, err = readSource(cmd.Context(), s, cmd, cfg.Source.Etcd, key)
		return key, value, err
	}}, nil
}

// readSource reads one key of the source.
func readSource(ctx context.Context, s *session, cmd *cobra.Command, e config.Etcd, key []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	cli, err := dial.Dial(ctx, replicator.EtcdConfig(e), s.log.quiet(cmd.ErrOrStderr()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = cli.Close() }() // it was only to look
	resp, err := clientv3.NewKV(cli).Get(ctx, string(key))
	if err != nil {
		return nil, dial.Explain(err, e.Endpoints[0], string(key))
	}
	if len(resp.Kvs) == 0 {
		return nil, fault.New(fault.General, "check the name; or give the object with --object", "the source holds no %s", key)
	}
	return resp.Kvs[0].Value, nil
}
