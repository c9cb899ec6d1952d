package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Commit applies the changes object by object, in waves, and writes the cursor
// when all of them are in place. It returns a revision of the cluster that none
// of its writes is above. Several commits without a cursor may run at once; one
// with a cursor runs alone and advances the guard.
//
// [*target.Rejected] says that the server refuses some of the objects: the
// others are written and the cursor is not. After any other error some of the
// objects may be written, and the same commit is repeated: what is in place
// already is not written again. [*target.Fenced], [*target.Moved] and
// [*target.ErrOutcomeUnknown] are as those of an etcd. [*target.Dirty] says that
// others changed or deleted an object above what Tx.Newest gives; without
// Tx.Newest they are written over.
//
// A put of change.Released leaves the object as it is; it is the edge's own from
// now on. A delete of what was not applied here, of a namespace, a definition or
// a claim of a volume deletes nothing: the object is ours no more.
func (t *Target) Commit(ctx context.Context, tx target.Tx) (int64, error) {
	changes, err := t.ordered(tx.Changes)
	if err != nil {
		return 0, err
	}
	if tx.Cursor == nil {
		t.mu.RLock()
		defer t.mu.RUnlock()
		return t.write(ctx, changes, tx.Newest)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.write(ctx, changes, tx.Newest); err != nil {
		return 0, err
	}
	if !t.guard.loaded || t.guard.pending != nil {
		return 0, fmt.Errorf("commit to %s: %w", t.key, target.ErrNotLoaded)
	}
	_, rev, err := t.writeCursor(ctx, *tx.Cursor)
	return rev, err
}

// ordered gives the changes sorted by key, and refuses what must not be written
// here.
func (t *Target) ordered(changes []change.Change) ([]change.Change, error) {
	byKey := func(a, b change.Change) int { return bytes.Compare(a.Key, b.Key) }
	changes = slices.Clone(changes)
	slices.SortFunc(changes, byKey)
	for i, c := range changes {
		if i > 0 && bytes.Equal(c.Key, changes[i-1].Key) {
			return nil, fmt.Errorf("key %q is twice in one transaction", c.Key)
		}
		if c.Op != change.Put && c.Op != change.Delete {
			return nil, fmt.Errorf("key %q: unknown operation %d", c.Key, c.Op)
		}
		if !t.contains(c.Key) {
			return nil, fault.New(fault.Safety, "check the policy's mapping",
				"refusing to %s key %q, which is %w", c.Op, c.Key, target.ErrOutside)
		}
	}
	return changes, nil
}

// write applies changes, sorted by key, under the guard. It returns a revision
// that is not below any of its writes.
func (t *Target) write(ctx context.Context, changes []change.Change, newest func([]byte) int64) (int64, error) {
	if len(changes) == 0 {
		return t.guard.modRev, nil
	}
	if err := t.stillOurs(ctx); err != nil {
		return 0, err
	}
	b := &batch{t: t, newest: newest, rev: t.guard.modRev}
	steps, released := b.plan(changes)
	for _, c := range changes {
		t.inFlight.add(c.Key)
		defer t.inFlight.remove(c.Key)
	}
	if err := t.release(ctx, released, changes); err != nil {
		return 0, err
	}
	if err := b.all(ctx, steps); err != nil {
		return 0, fmt.Errorf("commit %d changes: %w", len(changes), err)
	}
	if len(b.refused) == 0 {
		return b.rev, nil
	}
	slices.SortFunc(b.refused, func(x, y target.Refused) int { return bytes.Compare(x.Key, y.Key) })
	return b.rev, &target.Rejected{Refused: b.refused}
}

// batch is a commit under way.
type batch struct {
	t       *Target
	newest  func(key []byte) int64
	rev     int64
	puts    map[string]*put // of those that are refused
	refused []target.Refused
	deleted bool // something made room
}

// step are changes that may be made at once.
type step struct {
	puts    []*put
	deletes [][]byte
}

// plan puts the changes into steps: puts in the order of the waves, then deletes
// in the reverse order.
func (b *batch) plan(changes []change.Change) (steps []step, released [][]byte) {
	b.puts = map[string]*put{}
	puts, deletes := make([]step, len(waves)), make([]step, len(waves))
	for _, c := range changes {
		switch {
		case c.Op == change.Delete:
			n, _ := parseKey(c.Key)
			w := len(waves) - 1 - waveOf(n.word)
			deletes[w].deletes = append(deletes[w].deletes, c.Key)
		case change.IsReleased(c.Value):
			released = append(released, c.Key)
		default:
			p, no := parsePut(c)
			if no != nil {
				b.refused = append(b.refused, *no)
				continue
			}
			w := waveOf(p.word)
			puts[w].puts = append(puts[w].puts, p)
		}
	}
	return append(puts, deletes...), released
}

// outcome is what came of one change.
type outcome struct {
	write   write
	refused *target.Refused
	err     error
	done    bool
}

// all makes the steps one after the other.
func (b *batch) all(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := b.run(ctx, s); err != nil {
			var d *target.Dirty
			if errors.As(err, &d) {
				b.t.watching.look() // whoever gets this waits for it
			}
			return err
		}
	}
	return b.again(ctx)
}

// run makes the changes of a step, several at a time. What was done is in the
// inventory afterwards, also when something failed.
func (b *batch) run(ctx context.Context, s step) error {
	n := len(s.puts) + len(s.deletes)
	if n == 0 {
		return nil
	}
	if err := b.t.inventory.leave(s.deletes, true); err != nil {
		return err
	}
	out := make([]outcome, n)
	b.each(ctx, out, func(ctx context.Context, i int) outcome {
		if i < len(s.puts) {
			return b.put(ctx, s.puts[i])
		}
		return b.delete(ctx, s.deletes[i-len(s.puts)])
	})
	var writes []write
	var errs []error
	for i, o := range out {
		switch {
		case o.err != nil:
			errs = append(errs, o.err)
		case o.refused != nil:
			b.refused = append(b.refused, *o.refused)
			if i < len(s.puts) {
				b.puts[string(o.refused.Key)] = s.puts[i]
				writes = append(writes, write{key: o.refused.Key, keep: s.puts[i].value})
			}
		case o.done:
			if o.write.key != nil {
				writes = append(writes, o.write)
				if r := o.write.record; r != nil {
					b.rev = max(b.rev, revision(r.Seen))
				}
			}
		}
	}
	if err := b.t.inventory.save(writes); err != nil {
		errs = append(errs, err)
	}
	if err := b.t.inventory.leave(staying(s, out), false); err != nil {
		errs = append(errs, err)
	}
	if err := first(errs); err != nil {
		return err
	}
	b.deleted = b.deleted || len(s.deletes) > 0
	return b.t.await(ctx, s.puts, writes)
}

// staying are the objects of a step that the server, or somebody at the edge, did
// not let us delete.
func staying(s step, out []outcome) (keys [][]byte) {
	for i, key := range s.deletes {
		o := out[len(s.puts)+i]
		var d *target.Dirty
		if o.refused != nil || errors.As(o.err, &d) {
			keys = append(keys, key)
		}
	}
	return keys
}

// first is the error that says most: another writer, then the others.
func first(errs []error) error {
	for _, err := range errs {
		var d *target.Dirty
		if errors.As(err, &d) {
			return err
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// each calls fn for every outcome, with as many at a time as the server likes.
// After an error no more are begun.
func (b *batch) each(ctx context.Context, out []outcome, fn func(ctx context.Context, i int) outcome) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(mostWorkers, len(out)) {
		wg.Go(func() {
			for i := range next {
				b.t.pace.enter()
				out[i] = fn(ctx, i)
				b.t.pace.leave()
				if out[i].err != nil {
					stop()
				}
			}
		})
	}
	for i := range out {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !slices.ContainsFunc(out, func(o outcome) bool { return o.err != nil }) {
		out[len(out)-1].err = err
	}
}

func (b *batch) put(ctx context.Context, p *put) outcome {
	r, err := b.t.apply(ctx, p, b.newest)
	if err == nil {
		if r == nil {
			return outcome{done: true}
		}
		return outcome{done: true, write: write{key: p.key, record: r}}
	}
	return b.failed(p.key, p.name, err)
}

func (b *batch) delete(ctx context.Context, key []byte) outcome {
	err := b.t.remove(ctx, key, b.newest)
	if err == nil {
		return outcome{done: true, write: write{key: key, forget: true}}
	}
	n, _ := parseKey(key)
	return b.failed(key, n, err)
}

// failed tells what says something about the object from what says something
// about the server.
func (b *batch) failed(key []byte, n name, err error) outcome {
	var ours interface {
		refusal(key []byte) target.Refused
	}
	if errors.As(err, &ours) {
		r := ours.refusal(key)
		return outcome{refused: &r}
	}
	if r, ok := refusal(key, n, err); ok {
		return outcome{refused: &r}
	}
	return outcome{err: fmt.Errorf("%s: %w", n, b.t.client.Explain(err))}
}

// again tries what was refused once more when deletes may have made room for it.
func (b *batch) again(ctx context.Context) error {
	if !b.deleted || len(b.puts) == 0 {
		return nil
	}
	var s step
	for _, r := range b.refused {
		if p := b.puts[string(r.Key)]; p != nil {
			s.puts = append(s.puts, p)
		}
	}
	b.refused = slices.DeleteFunc(b.refused, func(r target.Refused) bool { return b.puts[string(r.Key)] != nil })
	clear(b.puts)
	return b.run(ctx, s)
}
