package raw

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Avoid refuses ranges of plain keys that reach into the keys of an API server
// when objects are there that the channel did not write: what its cursor holds is
// its own. Copies of a whole cluster into an etcd without an API server go on.
func Avoid(ctx context.Context, t *target.Target, cli *clientv3.Client, prefix string, ranges []change.Range) error {
	if prefix == "" {
		prefix = filter.DefaultCluster.Prefix
	}
	root := change.PrefixRange([]byte(object.Root(prefix)))
	at := slices.IndexFunc(ranges, func(r change.Range) bool { return !r.Intersect(root).Empty() })
	if at < 0 {
		return nil
	}
	cursor, _, _, err := t.Load(ctx)
	if err != nil {
		return err
	}
	found, err := someObject(ctx, cli, prefix, change.Without([]change.Range{root}, cursor.Holds))
	if err != nil || found == "" {
		return err
	}
	return fault.New(fault.Check,
		"select the objects in a rule with resources: and write them through the API server (target.kubernetes), or past it (target.writer: raw); to copy a whole cluster, use an etcd without one",
		"the policy delivers the keys %s, and an API server keeps its objects there, such as %s: bytes of another cluster can fail the LIST of a whole resource", ranges[at].Intersect(root), found)
}

// mostLooked is how many keys of a range are looked at for an object.
const mostLooked = 50

// someObject is the key of an object in one of the ranges, or "".
func someObject(ctx context.Context, cli *clientv3.Client, prefix string, ranges []change.Range) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for _, r := range ranges {
		resp, err := cli.Get(ctx, string(r.Lo), clientv3.WithRange(string(r.Hi)), clientv3.WithLimit(mostLooked))
		if err != nil {
			return "", fmt.Errorf("look for the objects of an API server: %w", err)
		}
		for _, kv := range resp.Kvs {
			if holdsObject(prefix, kv) {
				return string(kv.Key), nil
			}
		}
	}
	return "", nil
}

func holdsObject(prefix string, kv *mvccpb.KeyValue) bool {
	k, err := object.ParseKey(prefix, kv.Key)
	if err != nil {
		return false
	}
	if bytes.HasPrefix(kv.Value, encryptedMagic) {
		return true
	}
	m, err := object.ReadMeta(kv.Value)
	return err == nil && m.Kind != "" && m.At(k) == nil
}
