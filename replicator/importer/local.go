package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	kube "github.com/syncer-io/syncer/replicator/kube/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// edit is what others made of one key.
type edit struct {
	target.Local
	first int64 // the revision of the first of several writes
}

// mend is a write that puts a key right, unless somebody wrote it after the
// revision.
type mend struct {
	change change.Change
	at     int64
	edit   *edit // that it puts right; nil when it is an older one
}

// dealWith decides about what others wrote. On return the cursor says so, and
// what is put right is right.
func (a *applier) dealWith(ctx context.Context, g glimpse) error {
	edits := a.sight.due(g)
	if len(edits) == 0 {
		a.pass(g.seen)
		return nil
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	if err := a.known(ctx); err != nil {
		return err
	}
	var mends []mend
	for _, e := range edits {
		m, err := a.judge(ctx, e)
		if err != nil {
			return fmt.Errorf("decide about key %q, which somebody else wrote at revision %d: %w", e.Key, e.Revision, err)
		}
		if m != nil {
			mends = append(mends, *m)
		}
	}
	if err := a.keepNotes(); err != nil {
		return err
	}
	if err := a.parked.save(ctx, a); err != nil {
		return err
	}
	if err := a.mendAll(ctx, mends); err != nil {
		return err
	}
	a.pass(g.seen)
	return a.mend(ctx, nil) // the cursor says what was seen
}

// pass notes what was dealt with: not what is owed, nor anything after it.
func (a *applier) pass(seen int64) {
	a.sight.passed(a.sight.settled(seen))
	a.im.view.sees(a.sight.seen)
}

// newestOf is one edit for each key, in the order of their last writes.
func newestOf(writes []target.Local) []edit {
	at := make(map[string]int, len(writes))
	var out []edit
	for _, w := range writes {
		if i, ok := at[string(w.Key)]; ok {
			out[i].Local = w
			continue
		}
		at[string(w.Key)] = len(out)
		out = append(out, edit{w, w.Revision})
	}
	return out
}

// judge decides about one edit. What the source has of the key is what was
// replicated last.
func (a *applier) judge(ctx context.Context, e edit) (*mend, error) {
	delete(a.merging, string(e.Key)) // what was to be written did not meet this edit
	if ours := a.sight.ours[string(e.Key)]; ours > e.Revision {
		return nil, a.writtenOver(ctx, e)
	} else if ours > e.first {
		e.first = ours + 1
	}
	k := a.parked.keys[string(e.Key)]
	if k != nil && !status.Local(k.group.Why) {
		return nil, a.editedWhileItWaits(ctx, k, e)
	}
	again := k != nil && (k.group.Why == status.Merged || k.group.Why == status.Kept)
	if k != nil && (!again || a.changedBack(k, e)) {
		return nil, a.changedAgain(k, e)
	}
	c := conflict.Case{Key: e.Key, Edge: conflict.Value{Present: !e.Deleted, Bytes: e.Value}}
	var err error
	if k != nil {
		c.Base, c.BaseKnown, err = a.lastReplicated(e.Key, never)
	} else {
		c.Base, c.BaseKnown, err = a.stoodBefore(ctx, e)
	}
	if err != nil {
		return nil, err
	}
	if !c.BaseKnown {
		a.parked.release(e.Key)
		a.admit(e.Key, c.Edge)
		return nil, nil //nolint:nilnil // the digests differ now, and a comparison puts it right
	}
	c.Source = c.Base
	rule := a.conflictRule(e.Key)
	if equal(c.Edge, c.Source) {
		return nil, nil //nolint:nilnil // nothing is to be done
	}
	d := conflict.Decide(rule, c)
	a.note(d, rule, c, e.Local, a.position, 0)
	switch d.Outcome {
	case conflict.TakeSource:
		return a.putRight(e, c)
	case conflict.WriteMerged:
		a.setApart(status.Merged, d.Reason, c)
		a.merging[string(e.Key)] = struct{}{}
		return &mend{changeTo(e.Key, d.Write), e.Revision, &e}, nil
	case conflict.KeepEdge:
		a.setApart(whyKept(rule), d.Reason, c)
	default:
		a.setApart(status.Conflict, d.Reason, c)
	}
	return nil, nil //nolint:nilnil // it stays as it is
}

// stoodBefore is what the target held before an edit, if it still knows.
func (a *applier) stoodBefore(ctx context.Context, e edit) (conflict.Value, bool, error) {
	defer a.im.view.ask()()
	base, found, err := a.target.Before(ctx, e.Key, e.first)
	if errors.Is(err, target.ErrCompacted) {
		return conflict.Value{}, false, nil
	}
	return conflict.Value{Present: found, Bytes: base}, err == nil, err
}

// whyKept is why a key keeps what the edge made of it.
func whyKept(r conflict.Rule) string {
	if r.Policy == conflict.EdgeWins {
		return status.EdgeWins
	}
	return status.Merged
}

// putRight has the source's value written back, now or, when somebody keeps
// changing it, later. While the target is being repaired the comparison does it.
func (a *applier) putRight(e edit, c conflict.Case) (*mend, error) {
	if !a.cursor.Consistent {
		a.admit(e.Key, c.Edge)
		return nil, nil //nolint:nilnil // the comparison does it
	}
	if a.sight.fought(c) {
		a.setApart(status.Fighting, fmt.Sprintf("key %q is changed at the edge as often as it is put right%s", e.Key, by(e.By)), c)
		return nil, nil //nolint:nilnil // it is tried again later
	}
	return &mend{changeTo(e.Key, c.Source), e.Revision, &e}, nil
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return ", by " + who
}

// changedAgain notes another edit of a key that waits.
func (a *applier) changedAgain(k *parkedKey, e edit) error {
	k.Present, k.group.dirty = !e.Deleted, true
	if a.changedBack(k, e) {
		a.parked.release(e.Key)
		return a.settled(e.Key, "the edge has what the source has")
	}
	return nil
}

// changedBack reports whether an edit gave a key that waits what the source has.
func (a *applier) changedBack(k *parkedKey, e edit) bool {
	return k.Put != e.Deleted && (!k.Put || digest.Item(e.Key, e.Value) == k.Sum)
}

// admit has the table say what the target holds: a comparison finds it.
func (a *applier) admit(key []byte, v conflict.Value) {
	if v.Present {
		a.wrotePut(key, digest.Item(key, v.Bytes))
	} else {
		a.wroteDelete(key)
	}
}

// setApart sets a key aside that holds something else than the source, on purpose
// or for now.
func (a *applier) setApart(why, reason string, c conflict.Case) {
	a.setGroupApart(why, reason, []conflict.Case{c})
}

func (a *applier) setGroupApart(why, reason string, cases []conflict.Case) {
	changes := make([]change.Change, len(cases))
	for i, c := range cases {
		changes[i] = changeTo(bytes.Clone(c.Key), c.Source)
	}
	if reason == "" {
		reason = fmt.Sprintf("key %q was changed at the edge", cases[0].Key)
	}
	g := target.Parked{Why: why, Reason: reason, Revision: a.position}
	if i := filter.RuleOf(a.rules, cases[0].Key); i >= 0 {
		g.Rule = a.rules[i].Name
	}
	if !status.Settled(why) {
		g.Try = "syncer conflicts show " + string(cases[0].Key)
	}
	a.setAside(g, changes)
	for _, c := range cases {
		a.parked.keys[string(c.Key)].Present = c.Edge.Present
	}
}

func changeTo(key []byte, v conflict.Value) change.Change {
	if !v.Present {
		return change.Change{Op: change.Delete, Key: key}
	}
	return change.Change{Op: change.Put, Key: key, Value: v.Bytes}
}

func equal(x, y conflict.Value) bool {
	return x.Present == y.Present && bytes.Equal(x.Bytes, y.Bytes)
}

// mendAll makes the writes, several in a transaction.
func (a *applier) mendAll(ctx context.Context, mends []mend) error {
	for len(mends) > 0 {
		n, size := 0, 0
		for n < len(mends) && n < a.target.Guardable() && (n == 0 || size+mends[n].change.Size() <= a.target.Together()) {
			size += mends[n].change.Size()
			n++
		}
		err := a.mend(ctx, mends[:n])
		if no, rest, ok := mendsRejected(mends[:n], err); ok {
			if err := a.parkRejected(ctx, no, a.position); err != nil {
				return err
			}
			mends = append(rest, mends[n:]...)
			continue
		}
		var d *target.Dirty
		switch {
		case errors.As(err, &d) && n > 1:
			err = a.mendEach(ctx, mends[:n])
		case errors.As(err, &d): // a later write decides
			a.sight.owe(mends[0], d.Revision)
			err = nil
		case refusal(err) && n > 1:
			err = a.mendEach(ctx, mends[:n])
		case refusal(err):
			err = a.mendRefused(ctx, mends[0])
		}
		if err != nil {
			return err
		}
		mends = mends[n:]
	}
	return nil
}

// mendsRejected are those that the target refuses one by one, and the others.
func mendsRejected(mends []mend, err error) (no []rejection, rest []mend, ok bool) {
	changes := make([]change.Change, len(mends))
	for i, m := range mends {
		changes[i] = m.change
	}
	if no, _, ok = rejections(changes, err); !ok {
		return nil, mends, false
	}
	for _, m := range mends {
		if !slices.ContainsFunc(no, func(r rejection) bool { return bytes.Equal(r.change.Key, m.change.Key) }) {
			rest = append(rest, m)
		}
	}
	return no, rest, true
}

func (a *applier) mendEach(ctx context.Context, mends []mend) error {
	for i := range mends {
		if err := a.mendAll(ctx, mends[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// mendRefused parks what the target does not let be put right. What it lets when
// it is asked is put right after all: digests count it as if it were.
func (a *applier) mendRefused(ctx context.Context, m mend) error {
	if err := a.refuseEach(ctx, []change.Change{m.change}); err != nil {
		return err
	}
	if k := a.parked.keys[string(m.change.Key)]; k != nil && !status.Local(k.group.Why) {
		return nil
	}
	err := a.mend(ctx, []mend{m})
	var d *target.Dirty
	if errors.As(err, &d) {
		a.sight.owe(m, d.Revision)
		return nil
	}
	return err
}

// mend writes in one transaction, if nobody wrote the keys since. The cursor
// that goes with it says what was seen, and nothing else that is new.
func (a *applier) mend(ctx context.Context, mends []mend) error {
	cursor := a.cursor
	cursor.Seen, cursor.Parked = a.sight.seen, len(a.parked.keys)
	tx := target.Tx{Cursor: &cursor}
	at := make(map[string]int64, len(mends))
	for _, m := range mends {
		tx.Changes = append(tx.Changes, m.change)
		at[string(m.change.Key)] = m.at
	}
	send := a.promptly
	if len(mends) > 0 {
		tx.Newest = func(key []byte) int64 { return at[string(key)] }
		send = a.offer
	}
	var rev int64
	failpoint.Hit(failpoint.MendBefore)
	err := send(ctx, func() (err error) {
		rev, err = a.target.Commit(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("put %d keys right: %w", len(mends), err)
	}
	failpoint.Hit(failpoint.MendAfter)
	a.auditor.wrote(rev, len(mends))
	a.wroteAll(rev, tx.Changes)
	a.modRev, a.cursor = rev, cursor
	return a.parked.saveGone(ctx, a)
}

// notBefore is a revision before which what a commit wrote was not written; the
// commit ended at one. A target that writes keys one by one wrote them somewhere
// behind the commit before it, and others may have written in between.
func (a *applier) notBefore(ended int64) int64 {
	if tier := a.target.Tier(); tier == kine.Tier || tier == kube.TierKubernetes {
		return a.modRev
	}
	return ended
}

// wroteAll notes changes that the target took with a commit that ended at a
// revision, before modRev says so.
func (a *applier) wroteAll(revision int64, changes []change.Change) {
	if a.sight != nil {
		revision := a.notBefore(revision)
		keys := make([]string, len(changes))
		for i, c := range changes {
			keys[i] = string(c.Key)
		}
		a.sight.wrote(revision, keys)
	}
	for _, c := range changes {
		a.wroteChange(c)
	}
}

func changeSum(key string, v conflict.Value) (sum digest.Sum) {
	if v.Present {
		sum = digest.Item([]byte(key), v.Bytes)
	}
	return sum
}
