package importer

import (
	"context"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	kube "github.com/syncer-io/syncer/replicator/kube/target"
)

// Kubernetes is a cluster that is written to through its API server. It closes
// what it is given in the end.
func Kubernetes(c *kube.Cluster) Cluster { return &kubernetes{c} }

type kubernetes struct{ *kube.Cluster }

// Open implements Cluster.
func (k *kubernetes) Open(ctx context.Context, key target.CursorKey, ranges []change.Range, _ target.Limits) (Target, error) {
	return k.Cluster.Open(ctx, key, ranges)
}
