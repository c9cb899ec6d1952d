package target

import (
	"context"
	"fmt"

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
// A delete shows in Count only. Nothing may be committed meanwhile.
func (t *Target) Audit(ctx context.Context, ranges []change.Range, since int64, ours func(revision int64) bool) (Audit, error) {
	var a Audit
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		if len(r.Lo) == 0 {
			r.Lo = []byte{0}
		}
		if err := t.auditRange(ctx, r, since, ours, &a); err != nil {
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
	for _, kv := range resp.Kvs {
		if a.Foreign == nil && !ours(kv.ModRevision) {
			a.Foreign = kv.Key
		}
	}
	return nil
}
