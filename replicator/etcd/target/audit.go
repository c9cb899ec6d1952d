package target

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// Audit is what the target holds in its ranges, without the values.
type Audit struct {
	Revision int64  // of the etcd, at the first range
	Count    uint64 // keys in all ranges
	// Foreign is a key that somebody else wrote, nil when there is none.
	Foreign []byte
}

// Audit looks for writes of others: keys whose mod revision is above since and
// is none of ours. It reads no values; on servers before 3.7 the server does.
// A delete shows in Count only. A released key counts once, whatever was made
// of it, and is nobody's write. Nothing may be committed meanwhile.
//
// written is about how many keys we wrote since then. The server sends those
// only, in one answer; when they are many, all keys are listed in parts instead.
func (t *Target) Audit(ctx context.Context, ranges []change.Range, since int64, written int, ours func(revision int64) bool) (Audit, error) {
	var a Audit
	if t.single != nil {
		theirs := ours
		ours = func(revision int64) bool { return t.spans.has(revision) || theirs(revision) }
	}
	for _, r := range t.readable(ranges) {
		if r.Empty() {
			continue
		}
		if len(r.Lo) == 0 {
			r.Lo = []byte{0}
		}
		audit := t.auditRange
		switch {
		case t.released.Load():
			audit = t.auditReleased
		case written > auditKeys, t.single != nil:
			audit = t.auditParts
		}
		if err := audit(ctx, r, since, ours, &a); err != nil {
			return Audit{}, fmt.Errorf("audit %s: %w", r, err)
		}
	}
	return a, nil
}

func (t *Target) auditRange(ctx context.Context, r change.Range, since int64, ours func(int64) bool, a *Audit) error {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	resp, err := t.cli.Get(ctx, string(r.Lo), end(r), clientv3.WithKeysOnly(), clientv3.WithMinModRev(since+1))
	if err != nil {
		return t.explain(err, r.String())
	}
	if a.Revision == 0 {
		a.Revision = resp.Header.Revision
	}
	a.Count += uint64(resp.Count) // of the whole range, whatever the filter
	a.look(resp.Kvs, since, ours)
	return nil
}

// auditKeys is the most keys that one answer of an audit should hold.
const auditKeys = 5000

// auditParts lists the range in parts, each as of its own revision: what is
// written behind the listing is above the revision of its first part.
func (t *Target) auditParts(ctx context.Context, r change.Range, since int64, ours func(int64) bool, a *Audit) error {
	return t.parts(ctx, r, a, func(kvs []*mvccpb.KeyValue) error {
		a.Count += uint64(len(kvs))
		a.look(kvs, since, ours)
		return nil
	})
}

// auditReleased is auditParts where keys may be released. How many of those
// exist, no count of etcd tells.
func (t *Target) auditReleased(ctx context.Context, r change.Range, since int64, ours func(int64) bool, a *Audit) error {
	m := t.markersIn(r, 0)
	count := func([]byte) error {
		a.Count++
		return ctx.Err()
	}
	err := t.parts(ctx, r, a, func(kvs []*mvccpb.KeyValue) error {
		for i, kv := range kvs {
			released, err := m.upTo(ctx, kv.Key, count)
			if err != nil {
				return err
			}
			a.Count++
			if !released {
				a.look(kvs[i:i+1], since, ours)
			}
		}
		return nil
	})
	if err == nil {
		_, err = m.upTo(ctx, nil, count)
	}
	return err
}

// parts gives fn the keys of a range, part after part.
func (t *Target) parts(ctx context.Context, r change.Range, a *Audit, fn func([]*mvccpb.KeyValue) error) error {
	for {
		kvs, more, err := t.part(ctx, r, a)
		if err == nil {
			err = fn(kvs)
		}
		if err != nil || !more {
			return err
		}
		r.Lo = after(kvs[len(kvs)-1].Key)
	}
}

func (t *Target) part(ctx context.Context, r change.Range, a *Audit) (kvs []*mvccpb.KeyValue, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	resp, err := t.cli.Get(ctx, string(r.Lo), end(r), clientv3.WithKeysOnly(), clientv3.WithLimit(auditKeys))
	if err != nil {
		return nil, false, t.explain(err, r.String())
	}
	if a.Revision == 0 {
		a.Revision = resp.Header.Revision
	}
	return resp.Kvs, resp.More && len(resp.Kvs) > 0, nil
}

// look finds the first key of somebody else.
func (a *Audit) look(kvs []*mvccpb.KeyValue, since int64, ours func(int64) bool) {
	for _, kv := range kvs {
		if a.Foreign == nil && kv.ModRevision > since && !ours(kv.ModRevision) {
			a.Foreign = kv.Key
		}
	}
}
