package raw

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
)

// mostSpoiled bounds how often others may write between our look at a key and
// our write.
const mostSpoiled = 20

// Commit writes the transaction as [target.Target.Commit] does, every object as
// it is stored. [target.ErrRefused]: one of the objects is not written, so nothing
// is. An object is written only if nobody wrote it after it was judged.
func (t *Target) Commit(ctx context.Context, tx target.Tx) (int64, error) {
	for spoiled := 1; ; spoiled++ {
		j, err := t.judged(ctx, tx)
		if err != nil {
			return 0, err
		}
		rev, err := t.Target.Commit(ctx, target.Tx{Changes: j.changes, Cursor: tx.Cursor, Newest: t.newest(tx, j.revision)})
		var dirty *target.Dirty
		switch {
		case errors.As(err, &dirty) && spoiled < mostSpoiled:
			continue
		case err == nil && len(j.left) > 0:
			err = t.Target.Disown(ctx, j.left)
		}
		return rev, err
	}
}

// judgement is what becomes of a transaction.
type judgement struct {
	changes  []change.Change // as they are written
	left     []change.Range  // objects of others: whether they are released is forgotten
	revision int64           // at which it was judged
}

func (t *Target) judged(ctx context.Context, tx target.Tx) (judgement, error) {
	j, err := t.judge(ctx, tx.Changes)
	out := judgement{revision: j.revision}
	if err != nil {
		return out, err
	}
	for _, c := range tx.Changes {
		v, err := j.verdict(ctx, c)
		switch {
		case err != nil:
			return out, err
		case v.why != "":
			return out, fmt.Errorf("key %q: %w: %w", c.Key, target.ErrRefused, v.refused(c.Key).Err)
		case v.change.Key == nil:
			out.left = append(out.left, change.Range{Lo: v.left, Hi: append(bytes.Clone(v.left), 0)})
			continue
		}
		if now := j.values[string(v.change.Key)]; now != nil && tx.Newest != nil && now.ModRevision > tx.Newest(c.Key) {
			return out, fmt.Errorf("key %q: %w", c.Key, &target.Dirty{Revision: now.ModRevision})
		}
		out.changes = append(out.changes, v.change)
	}
	return out, nil
}

// newest guards objects against writes after they were judged, and other keys as
// the caller wants it.
func (t *Target) newest(tx target.Tx, judged int64) func(stored []byte) int64 {
	objects := slices.ContainsFunc(tx.Changes, func(c change.Change) bool { return isObject(c.Key) })
	if !objects {
		return tx.Newest
	}
	return func(stored []byte) int64 {
		switch {
		case t.isStored(stored):
			return judged
		case tx.Newest != nil:
			return tx.Newest(stored)
		default:
			return math.MaxInt64 - 1
		}
	}
}

// refusalOrError tells a judgement from a failure.
func refusalOrError(err error) (verdict, error) {
	var r *object.Refusal
	if errors.As(err, &r) {
		return invalid(err), nil
	}
	return verdict{}, err
}

// refused is a verdict for people.
func (v verdict) refused(key []byte) target.Refused {
	reason, try := words(v.err)
	return target.Refused{Key: key, Why: v.why, Err: fault.New(fault.Check, try, "%s", reason)}
}

// Refused finds the changes that are not written: those that are refused here,
// and those that the etcd refuses. A value of zero bytes only stands for one of
// that size that is not known.
func (t *Target) Refused(ctx context.Context, changes []change.Change) ([]target.Refused, error) {
	j, err := t.judge(ctx, changes)
	if err != nil {
		return nil, err
	}
	var out []target.Refused
	var rest []change.Change
	origin := map[string][]byte{}
	for _, c := range changes {
		v, err := j.verdict(ctx, c)
		switch {
		case err != nil:
			return nil, err
		case v.why != "":
			out = append(out, v.refused(c.Key))
		case v.change.Key != nil:
			rest, origin[string(v.change.Key)] = append(rest, v.change), c.Key
		}
	}
	more, err := t.Target.Refused(ctx, rest)
	if err != nil {
		return nil, err
	}
	for _, r := range more {
		r.Key = origin[string(r.Key)]
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b target.Refused) int { return bytes.Compare(a.Key, b.Key) })
	return out, nil
}

// Split cuts changes into parts that fit into one transaction each, as they are
// stored.
func (t *Target) Split(changes []change.Change) [][]change.Change {
	largest := 0
	for _, c := range changes {
		largest = max(largest, len(c.Value))
	}
	zeros := make([]byte, largest+growth+t.keyGrowth(changes))
	shadows := make([]change.Change, len(changes))
	for i, c := range changes {
		shadows[i] = change.Change{Op: c.Op, Key: c.Key, Value: zeros[:len(c.Value)+growth+len(c.Key)]}
	}
	var out [][]change.Change
	for _, part := range t.Target.Split(shadows) {
		out, changes = append(out, changes[:len(part)]), changes[len(part):]
	}
	return out
}

func (t *Target) keyGrowth(changes []change.Change) (most int) {
	for _, c := range changes {
		most = max(most, len(c.Key))
	}
	return most
}
