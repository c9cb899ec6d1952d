package importer

import (
	"bytes"
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

// read reads the whole selection from the target while nothing is written, and
// makes the table of digests anew. Each key is given to fn with the item that
// digests count: for a parked key that is what the source has of it. reset is
// called before each attempt.
//
// The old table goes first, so that there are never two in memory. When read
// fails there is none.
func (a *applier) read(ctx context.Context, reset func(), fn func(key []byte, item digest.Sum) error) error {
	a.table, a.tally = nil, nil
	var table *digest.Table
	var tally *digest.Tally
	add := func(key []byte, item digest.Sum) error {
		tally.Put(key, table.PutSum(key, item))
		return fn(key, item)
	}
	err := a.patiently(ctx, func() error {
		table, tally = digest.NewTable(), digest.NewTally(a.rules)
		reset()
		o := a.parked.overlay(a.ranges)
		rev, err := a.target.Scan(ctx, a.ranges, func(kvs []change.KV) error {
			for _, kv := range kvs {
				if err := o.local(kv.Key, func() digest.Sum { return digest.Item(kv.Key, kv.Value) }, add); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		a.auditor.read(rev)
		return o.rest(nil, add)
	})
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	a.table, a.tally = table, tally
	return nil
}

// rescan reads the selection for its digest.
func (a *applier) rescan(ctx context.Context) error {
	return a.read(ctx, func() {}, func([]byte, digest.Sum) error { return nil })
}

// known makes sure that there is a table: it is made when it is first needed,
// because a comparison reads the target anyway.
func (a *applier) known(ctx context.Context) error {
	if a.table != nil {
		return nil
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	return a.rescan(ctx)
}

// forgetTable drops the table: it is not what the target holds.
func (a *applier) forgetTable() { a.table, a.tally = nil, nil }

// within are the parts of the selection that lie in a range.
func (a *applier) within(r change.Range) []change.Range {
	var out []change.Range
	for _, s := range a.ranges {
		if i := s.Intersect(r); !i.Empty() {
			out = append(out, i)
		}
	}
	return out
}

// selects reports whether a key lies in the selection.
func (a *applier) selects(key []byte) bool {
	for _, r := range a.ranges {
		if r.Contains(key) {
			return true
		}
	}
	return false
}

// wrotePut and wroteDelete keep the table and the tally current, if there are
// any.
func (a *applier) wrotePut(key []byte, item digest.Sum) (had bool) {
	if a.table == nil || !a.selects(key) {
		return false
	}
	had = a.table.PutSum(key, item)
	a.tally.Put(key, had)
	return had
}

func (a *applier) wroteDelete(key []byte) (had bool) {
	if a.table == nil {
		return false
	}
	had = a.table.Delete(key)
	a.tally.Delete(key, had)
	return had
}

// heldByRule is how many keys each rule holds. There must be a table.
func (a *applier) heldByRule() []uint64 {
	out := make([]uint64, len(a.rules))
	for i := range out {
		out[i] = a.tally.Held(i)
	}
	return out
}

// overlay walks parked keys beside the local ones, in key order.
type overlay struct {
	keys []*parkedKey // sorted, of the selection
}

// local gives a local key as digests count it, after the parked keys before it.
func (o *overlay) local(key []byte, item func() digest.Sum, add func([]byte, digest.Sum) error) error {
	if err := o.rest(key, add); err != nil {
		return err
	}
	if len(o.keys) == 0 || !bytes.Equal(o.keys[0].Key, key) {
		return add(key, item())
	}
	p := o.keys[0]
	o.keys, p.Present = o.keys[1:], true
	if !p.Put {
		return nil
	}
	return add(key, p.Sum)
}

// rest gives the parked puts before a key, or all, of keys that the target does
// not hold.
func (o *overlay) rest(before []byte, add func([]byte, digest.Sum) error) error {
	for len(o.keys) > 0 && (before == nil || bytes.Compare(o.keys[0].Key, before) < 0) {
		p := o.keys[0]
		o.keys, p.Present = o.keys[1:], false
		if !p.Put {
			continue
		}
		if err := add(p.Key, p.Sum); err != nil {
			return err
		}
	}
	return nil
}
