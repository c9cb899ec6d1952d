package main

import (
	"context"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	etcd "github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/kube/target"
)

// kubernetes looks at the cluster that an edge writes to through its API server.
func (d *doctor) kubernetes(cfg *config.Importer) {
	ctx, cancel := context.WithTimeout(d.ctx, answerTime)
	defer cancel()
	c, err := client.Connect(ctx, replicator.KubernetesConfig(*cfg.Target.Kubernetes), d.log)
	if err != nil {
		d.fail(err)
		return
	}
	d.ok("Kubernetes %s at %s, credentials accepted", c.Version.GitVersion, c.Host)
	d.ok("tier %s: an object is written by itself, those of one source revision do not appear together", target.TierKubernetes)
	d.rights(ctx, c)
	key := etcd.CursorKey{Source: cfg.Source, Channel: cfg.Channel}
	name := target.Namespace + "/" + target.CursorName(key)
	switch cursor, found, err := target.ReadCursor(ctx, c, key); {
	case err != nil:
		d.fail(err)
	case !found:
		d.ok("nothing was applied yet: no ConfigMap %s", name)
	default:
		d.ok("the cursor %s stands at revision %d", name, cursor.Revision)
	}
}

// rights are those that every importer needs. What it needs beyond depends on
// the policy, and shows when it is used.
func (d *doctor) rights(ctx context.Context, c *client.Client) {
	missing, err := c.Missing(ctx, target.Rights())
	if err != nil {
		d.fail(err)
		return
	}
	for _, r := range missing {
		d.warn(r.Remedy(), "may not %s %s in namespace %s, where the importer keeps its position", r.Verb, r.Resource, r.Namespace)
	}
	all := client.Rule{Verb: "*", Group: "*", Resource: "*"}
	switch missing, err := c.Missing(ctx, []client.Rule{all}); {
	case err != nil:
		d.fail(err)
	case len(missing) > 0:
		d.ok("may not write everything: what a policy selects beyond that waits, and status prints the rule that is missing")
	default:
		d.ok("may write everything")
	}
}
