package replicator

import (
	"context"
	"log/slog"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/importer"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/kube/target"
)

// KubernetesConfig is how to reach an API server.
func KubernetesConfig(k config.Kubernetes) client.Config {
	return client.Config{Kubeconfig: k.Kubeconfig, Context: k.Context, Agent: "syncer/" + Version}
}

// cluster connects to the cluster that an importer writes to.
func cluster(ctx context.Context, cfg *config.Importer, logger *slog.Logger) (importer.Cluster, error) {
	if cfg.Target.Kubernetes == nil {
		cli, err := connect(ctx, dial.Target, cfg.Target.Etcd, logger)
		if err != nil {
			return nil, err
		}
		return importer.Etcd(cli, logger), nil
	}
	cli, err := client.Connect(ctx, KubernetesConfig(*cfg.Target.Kubernetes), logger)
	if err != nil {
		return nil, err
	}
	c, err := target.New(ctx, cli, cfg.DataDir, logger)
	if err != nil {
		return nil, err
	}
	return importer.Kubernetes(c), nil
}
