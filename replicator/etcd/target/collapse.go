package target

import (
	"bytes"
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// collapse draws runs of deletes together into range deletes. A run holds no
// key but its own at the revision at which the keys were listed, and a guard
// makes the transaction fail if anything in it was written since. So nothing
// is ever deleted that has no tombstone.
func (t *Target) collapse(ctx context.Context, changes []change.Change) ([]*pb.RequestOp, []*pb.Compare, error) {
	l := &keyList{t: t}
	var ops []*pb.RequestOp
	var runs []change.Range
	for start := 0; start < len(changes); {
		end := t.stretch(changes, start)
		if end-start < 2 {
			ops = append(ops, opOf(changes[start]))
			start++
			continue
		}
		cuts, err := l.cuts(ctx, changes[start:end])
		if err != nil {
			return nil, nil, fmt.Errorf("list the keys between %d deletes: %w", end-start, err)
		}
		for _, n := range cuts {
			part := changes[start : start+n]
			start += n
			if n == 1 {
				ops = append(ops, opOf(part[0]))
				continue
			}
			r := change.Range{Lo: part[0].Key, Hi: after(part[n-1].Key)}
			ops = append(ops, deleteOp(r.Lo, r.Hi))
			runs = append(runs, r)
		}
	}
	return ops, runGuards(runs, l.rev, t.limits.MaxOps/4), nil
}

// after is the first key behind key.
func after(key []byte) []byte { return append(bytes.Clone(key), 0) }

// stretch is the end of the deletes from start on that have no put of the same
// transaction between them, and no border of the selection.
func (t *Target) stretch(changes []change.Change, start int) int {
	end := start
	for end < len(changes) && changes[end].Op == change.Delete {
		if end > start && t.border(changes[end-1].Key, changes[end].Key) {
			break
		}
		end++
	}
	return end
}

// border reports whether a range delete must not reach from a to b.
func (t *Target) border(a, b []byte) bool {
	cursor := []byte(t.key.String())
	if bytes.Compare(a, cursor) < 0 && bytes.Compare(cursor, b) < 0 {
		return true
	}
	return len(t.ranges) > 0 && t.rangeOf(a) != t.rangeOf(b)
}

// runGuards makes at most limit guards; neighbours share one when there are
// more runs.
func runGuards(runs []change.Range, rev int64, limit int) []*pb.Compare {
	n := min(len(runs), max(limit-1, 1))
	out := make([]*pb.Compare, 0, n)
	for i := range n {
		first, last := runs[i*len(runs)/n], runs[(i+1)*len(runs)/n-1]
		out = append(out, &pb.Compare{
			Key: first.Lo, RangeEnd: last.Hi, Target: pb.Compare_MOD, Result: pb.Compare_LESS,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: rev + 1},
		})
	}
	return out
}

// keyPage is how many keys are listed at once.
const keyPage = 10_000

// keyList lists existing keys, page by page, all at one revision.
type keyList struct {
	t    *Target
	rev  int64    // 0 before the first page
	page [][]byte // not yet read
	next []byte   // where the page after it starts; nil at the end
	end  []byte
}

// cuts says how the deletes fall into runs: the number of deletes in each.
func (l *keyList) cuts(ctx context.Context, deletes []change.Change) ([]int, error) {
	l.page, l.next, l.end = nil, deletes[0].Key, after(deletes[len(deletes)-1].Key)
	var cuts []int
	at, begin := 0, 0
	for {
		key, err := l.read(ctx)
		if err != nil {
			return nil, err
		}
		if key == nil {
			return append(cuts, len(deletes)-begin), nil
		}
		for bytes.Compare(deletes[at].Key, key) < 0 {
			at++ // never past the last delete: the list ends with it
		}
		if !bytes.Equal(deletes[at].Key, key) {
			cuts = append(cuts, at-begin)
			begin = at
			l.seek(deletes[at].Key)
		}
	}
}

// read gives the next key, or nil at the end.
func (l *keyList) read(ctx context.Context) ([]byte, error) {
	if len(l.page) == 0 && l.next != nil {
		if err := l.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if len(l.page) == 0 {
		return nil, nil
	}
	key := l.page[0]
	l.page = l.page[1:]
	return key, nil
}

// seek skips the keys before key, also those that are not fetched yet: what
// lies between two deletes does not matter beyond its first key.
func (l *keyList) seek(key []byte) {
	for len(l.page) > 0 && bytes.Compare(l.page[0], key) < 0 {
		l.page = l.page[1:]
	}
	if len(l.page) == 0 && l.next != nil && bytes.Compare(l.next, key) < 0 {
		l.next = key
	}
}

func (l *keyList) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.t.attempt)
	defer cancel()
	resp, err := l.t.cli.Get(ctx, string(l.next), clientv3.WithRange(string(l.end)),
		clientv3.WithKeysOnly(), clientv3.WithLimit(keyPage), clientv3.WithRev(l.rev))
	if err != nil {
		return err
	}
	if l.rev == 0 {
		l.rev = resp.Header.Revision
	}
	for _, kv := range resp.Kvs {
		l.page = append(l.page, kv.Key)
	}
	l.next = nil
	if resp.More {
		l.next = after(l.page[len(l.page)-1])
	}
	return nil
}
