package replicator

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	etcdtarget "github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/exporter"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/kube/target"
)

// owned is what importers write to the source: to its etcd, and through its API
// server. A part that does not tell, because we may not read it, is as one without
// importers.
func (r *reading) owned(ctx context.Context) ([]exporter.Owned, error) {
	cli, api, err := r.clients()
	if err != nil {
		return nil, err
	}
	var out []exporter.Owned
	if cli != nil {
		held, err := etcdtarget.Holdings(ctx, cli)
		if err := r.denied(err, "let the exporter's user read /syncer/cursor/ at the source"); err != nil {
			return nil, err
		}
		for _, c := range held {
			out = append(out, exporter.Owned{Source: c.Source, Channel: c.Channel, Ranges: writtenRanges(c)})
		}
	}
	held, err := r.applied(ctx, cli, api)
	if err := r.denied(err, "let the exporter's user read the ConfigMaps of namespace "+target.Namespace+" at the source"); err != nil {
		return nil, err
	}
	for _, c := range held {
		out = append(out, exporter.Owned{Source: c.Source, Channel: c.Channel, Ranges: storedRanges(r.cfg.Cluster(), c.Holds)})
	}
	return out, nil
}

// applied are the cursors of importers that write through the API server. Where
// those are encrypted in etcd, the server is asked.
func (r *reading) applied(ctx context.Context, cli *clientv3.Client, api *client.Client) ([]etcdtarget.Cursor, error) {
	if cli == nil {
		return target.Holdings(ctx, api)
	}
	held, err := target.StoredHoldings(ctx, cli, r.cfg.Source.KubernetesPrefix)
	if errors.As(err, new(*object.Refusal)) && api != nil {
		return target.Holdings(ctx, api)
	}
	return held, err
}

// denied tells of an error that says only that we may not look, and gives any
// other one back.
func (r *reading) denied(err error, try string) error {
	_, missing := client.MissingRule(err)
	if !missing && !errors.Is(err, rpctypes.ErrPermissionDenied) {
		return err
	}
	if missing {
		try = fault.Try(err)
	}
	r.logger.Warn("whether importers write to the source is not known", "cause", err.Error(), "try", try)
	return nil
}

// writtenRanges are the keys of an etcd that a channel writes there.
func writtenRanges(c etcdtarget.Cursor) []change.Range {
	if c.Below == "" {
		return c.Holds
	}
	plain := change.Without(c.Holds, []change.Range{change.PrefixRange([]byte(filter.ObjectPrefix))})
	return append(plain, storedRanges(filter.Cluster{Prefix: c.Below}, c.Holds)...)
}

// storedRanges are delivered ranges where the API server of a cluster stores
// their objects. One over several resources stands for all of them.
func storedRanges(c filter.Cluster, delivered []change.Range) []change.Range {
	objects := change.PrefixRange([]byte(filter.ObjectPrefix))
	var out []change.Range
	for _, r := range delivered {
		if r = r.Intersect(objects); r.Empty() {
			continue // an API server has no such keys
		}
		stored, ok := c.StoredRange(r)
		if !ok {
			stored = change.PrefixRange([]byte(object.Root(c.Prefix)))
		}
		out = append(out, stored)
	}
	return out
}
