package replicator

import (
	"context"
	"errors"
	"log/slog"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/raw"
	etcdtarget "github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/importer"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/kube/target"
)

// KubernetesConfig is how to reach an API server.
func KubernetesConfig(k config.Kubernetes) client.Config {
	return client.Config{Kubeconfig: k.Kubeconfig, Context: k.Context, Agent: "syncer/" + Version}
}

// openTarget connects to the cluster that an importer writes to, and finds out
// what it is.
func openTarget(ctx context.Context, cfg *config.Importer, logger *slog.Logger) (importer.Cluster, error) {
	if cfg.Target.Kubernetes != nil {
		return openKubernetes(ctx, cfg, logger)
	}
	cli, err := connect(ctx, dial.Target, cfg.Target.Etcd, logger)
	if err != nil {
		return nil, err
	}
	is, err := kine.Detect(ctx, cli, etcdtarget.CursorKey{Source: cfg.Source, Channel: cfg.Channel}.String())
	if err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	switch {
	case is && cfg.Target.Writer == config.WriterRaw:
		return nil, errors.Join(fault.New(fault.Check, "write through its API server: target: {kubernetes: {kubeconfig: FILE}}",
			"writer: raw needs transactions of several keys, and the target is a kine, which has none"), cli.Close())
	case is:
		logger.Warn("the target is a kine, which changes one key at a time: keys of one source revision do not appear together", "tier", kine.Tier)
		return importer.Kine(cli, logger), nil
	case cfg.Target.Writer == config.WriterRaw:
		return importer.Raw(cli, raw.Options{Prefix: cfg.Target.KubernetesPrefix, Further: cfg.Target.RawResources}, logger), nil
	}
	logger.Info("the target is an etcd", "tier", etcdtarget.TierEtcd)
	return importer.Etcd(cli, cfg.Target.KubernetesPrefix, logger), nil
}

func openKubernetes(ctx context.Context, cfg *config.Importer, logger *slog.Logger) (importer.Cluster, error) {
	cli, err := client.Connect(ctx, KubernetesConfig(*cfg.Target.Kubernetes), logger)
	if err != nil {
		return nil, err
	}
	c, err := target.New(ctx, cli, cfg.DataDir, logger)
	if err != nil {
		return nil, err
	}
	logger.Info("the target is a Kubernetes cluster", "tier", target.TierKubernetes)
	return importer.Kubernetes(c), nil
}
