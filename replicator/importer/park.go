package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// park sets changes aside as a group. Its name says what it is about, so that
// whoever approves it approves these keys and no others.
func (a *applier) park(ctx context.Context, g target.Parked, changes []change.Change) error {
	if err := a.known(ctx); err != nil {
		return err
	}
	a.setAside(g, changes)
	return a.parked.save(ctx, a)
}

// setAside is park before it is stored.
func (a *applier) setAside(g target.Parked, changes []change.Change) {
	slices.SortFunc(changes, func(x, y change.Change) int { return bytes.Compare(x.Key, y.Key) })
	g.ID, g.Since = groupID(g.Revision, changes), time.Now()
	for _, c := range changes {
		g.Keys = append(g.Keys, a.parkedKey(c))
		delete(a.comparison.deletes, string(c.Key)) // what a chunk said of it is older
	}
	a.parked.add(g)
	a.parked.groups[len(a.parked.groups)-1].dirty = true
	level := slog.LevelWarn
	if status.Settled(g.Why) {
		level = slog.LevelInfo
	}
	a.im.logger.Log(context.Background(), level, "changes are parked", "group", g.ID, "why", g.Why, "reason", g.Reason, "keys", len(g.Keys), "revision", g.Revision)
}

// parkedKey is a key as it is now, and what the source has of it. Digests count
// the latter from here on.
func (a *applier) parkedKey(c change.Change) target.ParkedKey {
	k := target.ParkedKey{Key: bytes.Clone(c.Key), Put: c.Op == change.Put}
	old := a.parked.keys[string(c.Key)]
	if k.Put {
		k.Sum, k.Size = digest.Item(c.Key, c.Value), uint64(len(c.Key)+len(c.Value))
		k.Present = a.wrotePut(c.Key, k.Sum)
	} else {
		k.Present = a.wroteDelete(c.Key)
	}
	if old != nil {
		k.Present = old.Present
	}
	return k
}

func groupID(revision int64, changes []change.Change) string {
	h := sha256.New()
	for _, c := range changes {
		_, _ = fmt.Fprintf(h, "%d %d ", c.Op, len(c.Key)) // a hash never fails to write
		_, _ = h.Write(c.Key)
	}
	return fmt.Sprintf("%d-%x", revision, h.Sum(nil)[:4])
}

// refuse parks a changeset that the target refuses for a reason that lies in
// one of its changes, as a whole. parked is false when no such change is found.
func (a *applier) refuse(ctx context.Context, changes []change.Change, revision int64) (parked bool, err error) {
	var refused []target.Refused
	err = a.promptly(ctx, func() (err error) {
		refused, err = a.target.Refused(ctx, changes)
		return err
	})
	if err != nil || len(refused) == 0 {
		return false, err
	}
	r := refused[0]
	reason := fmt.Sprintf("key %q: %v", r.Key, r.Err)
	if len(changes) > 1 {
		reason += fmt.Sprintf("; it came with %d other keys at one revision, which wait with it", len(changes)-1)
	}
	return true, a.park(ctx, target.Parked{Why: r.Why, Reason: reason, Try: fault.Try(r.Err), Revision: revision}, slices.Clone(changes))
}

// refuseEach parks those of the changes that the target refuses, each by itself:
// they came with chunks. One that is not refused any more differs at the next
// comparison.
func (a *applier) refuseEach(ctx context.Context, changes []change.Change) error {
	byKey := make(map[string]change.Change, len(changes))
	for _, c := range changes {
		byKey[string(c.Key)] = c
	}
	changes = slices.Collect(maps.Values(byKey)) // two chunks may bring one key
	var refused []target.Refused
	err := a.promptly(ctx, func() (err error) {
		refused, err = a.target.Refused(ctx, changes)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range refused {
		g := target.Parked{Why: r.Why, Reason: fmt.Sprintf("key %q: %v", r.Key, r.Err), Try: fault.Try(r.Err), Revision: a.position}
		a.setAside(g, []change.Change{byKey[string(r.Key)]})
	}
	return a.parked.save(ctx, a)
}

// leftRule stands in for the rule of keys that an older policy selected.
const leftRule = "(no longer in the policy)"

// defaultGuard guards keys of no rule.
var defaultGuard = filter.Guard{Percent: 20, AtLeast: 10}

// step is what the guard looks at as one: a revision of the source, or a
// comparison.
type step struct {
	revision int64
	held     []uint64       // keys of each rule before
	deleted  map[int]uint64 // of each rule, so far
}

// step begins with what the rules hold now.
func (a *applier) step(ctx context.Context, revision int64) (*step, error) {
	if err := a.known(ctx); err != nil {
		return nil, err
	}
	return &step{revision: revision, held: a.heldByRule(), deleted: make(map[int]uint64)}, nil
}

// guard parks the deletes that are too many for their rule and gives those
// that may be carried out.
func (a *applier) guard(ctx context.Context, deletes [][]byte, s *step) (allowed [][]byte, err error) {
	byRule := make(map[int][][]byte)
	for _, key := range deletes {
		rule := filter.RuleOf(a.rules, key)
		byRule[rule] = append(byRule[rule], key)
	}
	for rule, keys := range byRule {
		name, guard, of := leftRule, defaultGuard, uint64(len(keys))
		if rule >= 0 {
			name, guard, of = a.rules[rule].Name, a.rules[rule].Guard, s.held[rule]
		}
		if all := s.deleted[rule] + uint64(len(keys)); !guard.Stops(all, of) {
			s.deleted[rule] = all
			allowed = append(allowed, keys...)
			continue
		}
		changes := make([]change.Change, len(keys))
		for i, key := range keys {
			changes[i] = change.Change{Op: change.Delete, Key: key}
		}
		err := a.park(ctx, target.Parked{
			Why: status.MassDelete, Rule: name, Revision: s.revision, Of: of,
			Reason: fmt.Sprintf("%d of the %d keys of rule %s would be deleted at once, more than %d %%", len(keys), of, name, guard.Percent),
		}, changes)
		if err != nil {
			return nil, err
		}
		if t := a.comparison.task; t != nil {
			t.shown.Safety = true
		}
	}
	slices.SortFunc(allowed, bytes.Compare)
	return allowed, nil
}

// guarded takes the deletes out of a changeset that the guard stops. It is a
// step of its own unless it is a part of one.
func (a *applier) guarded(ctx context.Context, s change.Changeset, of *step) (change.Changeset, error) {
	var deletes [][]byte
	for _, c := range s.Changes {
		if c.Op == change.Delete {
			deletes = append(deletes, c.Key)
		}
	}
	if of == nil && len(deletes) < a.leastGuarded() {
		return s, nil
	}
	if of == nil {
		if err := a.flush(ctx); err != nil { // what the rules hold now counts
			return s, err
		}
		// A chunk that is being written is older than the deletes: done later, it
		// would take its keys out of the group again.
		if err := a.barrier(ctx); err != nil {
			return s, err
		}
		var err error
		if of, err = a.step(ctx, s.Revision); err != nil {
			return s, err
		}
	}
	allowed, err := a.guard(ctx, deletes, of)
	if err != nil || len(allowed) == len(deletes) {
		return s, err
	}
	s.Changes = slices.DeleteFunc(slices.Clone(s.Changes), func(c change.Change) bool {
		_, goes := slices.BinarySearchFunc(allowed, c.Key, bytes.Compare)
		return c.Op == change.Delete && !goes
	})
	return s, nil
}

// leastGuarded is the number of deletes below which no guard stops any.
func (a *applier) leastGuarded() int {
	least := defaultGuard.AtLeast
	for _, r := range a.rules {
		least = min(least, r.Guard.AtLeast)
	}
	return least
}

// remove deletes keys at the target, in as many transactions as needed, if the
// guard lets it.
func (a *applier) remove(ctx context.Context, keys [][]byte, s *step) (int, error) {
	keys, err := a.screenDeletes(ctx, keys)
	if err != nil {
		return 0, err
	}
	allowed, err := a.guard(ctx, keys, s)
	if err != nil {
		return 0, err
	}
	return len(allowed), a.delete(ctx, allowed)
}

// delete deletes keys, whatever the guard says.
func (a *applier) delete(ctx context.Context, keys [][]byte) error {
	changes := make([]change.Change, len(keys))
	for i, key := range keys {
		changes[i] = change.Change{Op: change.Delete, Key: key}
	}
	for part := range slices.Chunk(changes, deleteKeys) {
		err := a.commitOver(ctx, part)
		if errors.Is(err, target.ErrRefused) {
			err = a.deleteOthers(ctx, part)
		}
		if refusal(err) {
			var parked bool
			if parked, err = a.refuse(ctx, part, a.position); err == nil && !parked {
				err = a.commit(ctx, part, a.standing()) // it is not refused any more
			}
		}
		if err != nil {
			return fmt.Errorf("delete %d keys: %w", len(part), err)
		}
	}
	return nil
}

// commitOver commits deletes. Those of keys that the edge changed meanwhile, and
// that it may keep, are left out.
func (a *applier) commitOver(ctx context.Context, changes []change.Change) error {
	for {
		dirty, err := a.dirty(ctx, a.commit(ctx, changes, a.standing()))
		if !dirty || err != nil {
			return err
		}
		changes = slices.DeleteFunc(slices.Clone(changes), func(c change.Change) bool { return a.meets([]change.Change{c}) })
	}
}

// deleteOthers parks those deletes that the target refuses, each by itself, and
// carries out the others.
func (a *applier) deleteOthers(ctx context.Context, changes []change.Change) error {
	var refused []target.Refused
	err := a.promptly(ctx, func() (err error) {
		refused, err = a.target.Refused(ctx, changes)
		return err
	})
	if err != nil {
		return err
	}
	said := make(map[string]target.Refused, len(refused))
	for _, r := range refused {
		said[string(r.Key)] = r
	}
	var rest []change.Change
	for _, c := range changes {
		r, no := said[string(c.Key)]
		if !no {
			rest = append(rest, c)
			continue
		}
		a.setAside(target.Parked{Why: r.Why, Reason: fmt.Sprintf("key %q: %v", r.Key, r.Err), Try: fault.Try(r.Err), Revision: a.position}, []change.Change{c})
	}
	if err := a.parked.save(ctx, a); err != nil {
		return err
	}
	return a.commitOver(ctx, rest)
}

func keysOf(set map[string]struct{}) [][]byte {
	keys := make([][]byte, 0, len(set))
	for key := range set {
		keys = append(keys, []byte(key))
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// deleteKeys is how many keys are deleted in one transaction of a repair.
const deleteKeys = 1000

// standing is the cursor where the target stands.
func (a *applier) standing() target.Cursor {
	cursor := a.cursor
	a.stand(&cursor)
	return cursor
}

// settleRanges ends a comparison when all that differs is here: it carries out
// the deletes, or parks them.
func (a *applier) settleRanges(ctx context.Context) error {
	c := &a.comparison
	if !c.running() || !c.complete() {
		return nil
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	deleted, err := a.remove(ctx, keysOf(c.deletes), c.step)
	if err != nil {
		return err
	}
	c.settled, c.deletes = true, nil
	if c.task != nil {
		c.task.delete += uint64(deleted)
		return a.complete(ctx)
	}
	a.im.view.comparing(c)
	return nil
}
