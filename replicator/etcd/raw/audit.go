package raw

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Audit looks for writes of others as [target.Target.Audit] does. Only a changed
// intent counts: the API server and the controllers of the edge write to objects
// of ours all the time. It reads all values, as Scan does.
func (t *Target) Audit(ctx context.Context, ranges []change.Range, since int64, _ int, ours func(revision int64) bool) (target.Audit, error) {
	var a target.Audit
	released := map[string]bool{}
	rev, err := t.Scan(ctx, ranges, func(kvs []change.KV) error {
		a.Count += uint64(len(kvs))
		for _, kv := range kvs {
			if change.IsReleased(kv.Value) {
				released[string(kv.Key)] = true
			}
		}
		return nil
	})
	if err != nil {
		return a, fmt.Errorf("audit: %w", err)
	}
	a.Revision = rev
	stored, err := t.keys.ranges(ranges)
	if err != nil {
		return a, err
	}
	look := func(kv *mvccpb.KeyValue) error {
		key, _, _, ok := t.keys.show(kv.Key)
		if a.Foreign != nil || !ok || ours(kv.ModRevision) || released[string(key)] {
			return nil
		}
		changed, err := t.changed(ctx, kv, since)
		if changed {
			a.Foreign = key
		}
		return err
	}
	for _, r := range stored {
		if err := t.written(ctx, r, rev, since, look); err != nil {
			return a, fmt.Errorf("audit %s: %w", r, err)
		}
	}
	return a, nil
}

// auditKeys bounds one answer.
const auditKeys = 5000

// written gives fn the keys that were written behind since, as of a revision.
func (t *Target) written(ctx context.Context, r change.Range, rev, since int64, fn func(*mvccpb.KeyValue) error) error {
	for !r.Empty() {
		kvs, more, err := t.writtenPart(ctx, r, rev, since)
		if err != nil {
			return err
		}
		for _, kv := range kvs {
			if err := fn(kv); err != nil {
				return err
			}
		}
		if !more || len(kvs) == 0 {
			return nil
		}
		r.Lo = append(bytes.Clone(kvs[len(kvs)-1].Key), 0)
	}
	return nil
}

func (t *Target) writtenPart(ctx context.Context, r change.Range, rev, since int64) (kvs []*mvccpb.KeyValue, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	end := clientv3.WithFromKey()
	if len(r.Hi) > 0 {
		end = clientv3.WithRange(string(r.Hi))
	}
	lo := string(r.Lo)
	if lo == "" {
		lo = "\x00"
	}
	resp, err := t.cli.Get(ctx, lo, end, clientv3.WithRev(rev), clientv3.WithKeysOnly(),
		clientv3.WithMinModRev(since+1), clientv3.WithLimit(auditKeys))
	if err != nil {
		return nil, false, t.explain(err, r.String())
	}
	return resp.Kvs, resp.More, nil
}

// changed reports whether what a key holds counts otherwise than at since.
func (t *Target) changed(ctx context.Context, kv *mvccpb.KeyValue, since int64) (bool, error) {
	value, found, err := t.Target.Before(ctx, kv.Key, kv.ModRevision+1)
	switch {
	case errors.Is(err, target.ErrCompacted):
		return true, nil
	case err != nil:
		return false, err
	case !found:
		return false, nil
	}
	write := target.Local{Key: kv.Key, Value: value, Revision: since + 1}
	_, counts, err := t.local(ctx, write)
	return counts, err
}
