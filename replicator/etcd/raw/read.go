package raw

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// state is what the edge holds of some keys, all at one revision.
type state struct {
	revision int64
	values   map[string]*mvccpb.KeyValue
}

func (s state) value(key []byte) []byte {
	if kv := s.values[string(key)]; kv != nil {
		return kv.Value
	}
	return nil
}

// readWidth is how many keys are read at once; few values are large.
const readWidth = 32

// stateFor reads what has to be known of the edge to judge changes: what stands
// at their keys, and whether their namespaces and definitions are there.
func (t *Target) stateFor(ctx context.Context, changes []change.Change) (state, error) {
	s := state{values: map[string]*mvccpb.KeyValue{}}
	var wanted [][]byte
	want := func(key []byte) {
		if _, asked := s.values[string(key)]; !asked {
			s.values[string(key)] = nil
			wanted = append(wanted, key)
		}
	}
	for _, c := range changes {
		k, err := t.parse(c.Key)
		if !isObject(c.Key) || err != nil {
			continue // refused by the key alone, or none of Kubernetes
		}
		want(t.stored(k))
		if k.Namespaced {
			want(t.stored(namespaceOf(k)))
		}
		if d, custom := definitionOf(k); custom {
			want(t.stored(d))
		}
	}
	for len(wanted) > 0 {
		n := min(len(wanted), readWidth, t.Limits().MaxOps)
		if err := t.read(ctx, wanted[:n], &s); err != nil {
			return s, fmt.Errorf("read what the edge holds: %w", err)
		}
		wanted = wanted[n:]
	}
	return s, nil
}

func (t *Target) read(ctx context.Context, keys [][]byte, s *state) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	ops := make([]clientv3.Op, len(keys))
	for i, k := range keys {
		ops[i] = clientv3.OpGet(string(k), clientv3.WithRev(s.revision))
	}
	resp, err := t.cli.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return t.explain(err, string(keys[0]))
	}
	if s.revision == 0 {
		s.revision = resp.Header.Revision
	}
	for _, r := range resp.Responses {
		for _, kv := range r.GetResponseRange().Kvs {
			s.values[string(kv.Key)] = kv
		}
	}
	return nil
}

func namespaceOf(k object.Key) object.Key {
	return object.Key{Resource: "namespaces", Name: k.Namespace}
}

// definitionOf is the definition of a custom resource.
func definitionOf(k object.Key) (object.Key, bool) {
	r, ok := object.Lookup(k.Word())
	return object.Key{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Name: k.Word()}, ok && r.Custom
}
