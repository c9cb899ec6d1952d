package target

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
)

// Chunk is the wanted content of a range: after Replace the range holds Want,
// what Keep keeps, and nothing else that is selected.
type Chunk struct {
	Range change.Range
	// Want is sorted by key, without a key twice, and lies in Range.
	Want []change.KV
	// Keep says whether a local key that is not in Want is left as it is. nil
	// keeps none.
	Keep func(local change.KV) bool
	// Refuse says which of the puts are not made; nil refuses none. What stands
	// there stays.
	Refuse func(change.KV) bool
	// Mine says which of the local keys that differ from Want are not written
	// over: Replaced.Mine has them. nil writes over all.
	Mine func(local change.KV) bool
	// Hold has Replace delete nothing: the keys that it would delete are in
	// Replaced.Deleted all the same, for the caller to decide about.
	Hold bool
	// Newest is as in Tx: Replace ends with [*Dirty] at a key that somebody else
	// wrote above it.
	Newest func(key []byte) int64
}

// Replaced is what a chunk changed, in key order.
type Replaced struct {
	Put       []change.KV // written
	Refused   []change.KV // not written
	Mine      []change.KV // not written, as Chunk.Mine said
	Deleted   [][]byte
	Was       []change.KV // what stood there before, of keys written over or deleted
	Unchanged int
	Revisions []int64 // of the target, at which it was written
}

// Diff compares the chunk with what the target holds and says what Replace
// would change. It writes nothing.
func (t *Target) Diff(ctx context.Context, c Chunk) (Replaced, error) {
	return c.Compare(t.contains, func(fn func([]change.KV) error) error {
		_, err := t.Scan(ctx, t.selected(c.Range), fn)
		return err
	})
}

// Replace makes the range hold the chunk, in commits without a cursor that
// are bounded in bytes. When it fails, what it returns was nevertheless done,
// and one more commit may have been: the range must be compared again.
// What is deleted is decided by a read just before; keys that are created in
// between stay.
func (t *Target) Replace(ctx context.Context, c Chunk) (Replaced, error) {
	plan, err := t.Diff(ctx, c)
	if err != nil {
		return Replaced{}, err
	}
	split := func(changes []change.Change) [][]change.Change { return split(changes, t.batch, t.written) }
	return c.Carry(plan, split, func(part []change.Change) (int64, error) { return t.Commit(ctx, Tx{Changes: part, Newest: c.Newest}) })
}

// wellFormed refuses a chunk that is not complete in itself: half-understood
// it would delete.
func (c Chunk) wellFormed() error {
	for i, kv := range c.Want {
		switch {
		case !c.Range.Contains(kv.Key):
			return fmt.Errorf("chunk %s holds key %q, which is outside of it", c.Range, kv.Key)
		case i > 0 && bytes.Compare(c.Want[i-1].Key, kv.Key) >= 0:
			return fmt.Errorf("chunk %s: key %q is out of order", c.Range, kv.Key)
		}
	}
	return nil
}

// selected is the part of r that lies in the selection.
func (t *Target) selected(r change.Range) []change.Range {
	if len(t.ranges) == 0 {
		return []change.Range{r}
	}
	var out []change.Range
	for _, s := range t.ranges {
		if i := s.Intersect(r); !i.Empty() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b change.Range) int { return bytes.Compare(a.Lo, b.Lo) })
	return out
}

// differ walks the local keys and the wanted ones side by side.
type differ struct {
	want   []change.KV
	keep   func(change.KV) bool
	refuse func(change.KV) bool
	mine   func(change.KV) bool
	out    Replaced
}

func (d *differ) local(kv change.KV) {
	d.rest(kv.Key)
	if wanted := len(d.want) > 0 && bytes.Equal(d.want[0].Key, kv.Key); !wanted {
		if d.keep != nil && d.keep(kv) {
			d.out.Unchanged++
			return
		}
		d.out.Deleted = append(d.out.Deleted, kv.Key)
		d.out.Was = append(d.out.Was, kv)
		return
	}
	if bytes.Equal(d.want[0].Value, kv.Value) {
		d.out.Unchanged++
	} else if d.mine != nil && d.mine(kv) {
		d.out.Mine = append(d.out.Mine, d.want[0])
	} else if d.put(d.want[0]) {
		d.out.Was = append(d.out.Was, kv)
	}
	d.want = d.want[1:]
}

// rest takes the wanted keys before key, or all, as missing.
func (d *differ) rest(key []byte) {
	for len(d.want) > 0 && (key == nil || bytes.Compare(d.want[0].Key, key) < 0) {
		d.put(d.want[0])
		d.want = d.want[1:]
	}
}

func (d *differ) put(kv change.KV) bool {
	if d.refuse != nil && d.refuse(kv) {
		d.out.Refused = append(d.out.Refused, kv)
		return false
	}
	if d.out.Put == nil {
		d.out.Put = make([]change.KV, 0, len(d.want))
	}
	d.out.Put = append(d.out.Put, kv)
	return true
}

func (r Replaced) changes() []change.Change {
	out := make([]change.Change, 0, len(r.Put)+len(r.Deleted))
	for _, kv := range r.Put {
		out = append(out, change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value})
	}
	for _, k := range r.Deleted {
		out = append(out, change.Change{Op: change.Delete, Key: k})
	}
	slices.SortFunc(out, byKey)
	return out
}

// take moves what part did out of the plan.
func (r *Replaced) take(plan *Replaced, part []change.Change) {
	last := part[len(part)-1].Key
	for len(plan.Put) > 0 && bytes.Compare(plan.Put[0].Key, last) <= 0 {
		r.Put, plan.Put = append(r.Put, plan.Put[0]), plan.Put[1:]
	}
	for len(plan.Deleted) > 0 && bytes.Compare(plan.Deleted[0], last) <= 0 {
		r.Deleted, plan.Deleted = append(r.Deleted, plan.Deleted[0]), plan.Deleted[1:]
	}
	for len(plan.Was) > 0 && bytes.Compare(plan.Was[0].Key, last) <= 0 {
		r.Was, plan.Was = append(r.Was, plan.Was[0]), plan.Was[1:]
	}
}
