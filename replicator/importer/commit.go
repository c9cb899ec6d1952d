package importer

import (
	"context"
	"errors"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// stand notes in a cursor the newest frame that is applied completely once the
// cursor is written.
func (a *applier) stand(c *target.Cursor) {
	c.Chain, c.Seq = append(target.Hash(nil), a.chain[:]...), a.seq
	c.Updated = time.Now()
	if c.Ahead <= c.Revision || !c.Consistent {
		c.Ahead = 0
	}
	if len(c.Holds) == 0 {
		c.Holds, c.Keeps = a.ranges, a.orphans()
	}
}

// commit writes changes and the cursor, and waits out whatever may go away by
// itself: an unreachable target, a full disk, an alarm. Changes that the target
// refuses one by one are parked, and the others written. Fenced, moved, dirty, too
// large and changes that are forbidden are for the caller.
func (a *applier) commit(ctx context.Context, changes []change.Change, cursor target.Cursor) error {
	for {
		err := a.commitAll(ctx, changes, cursor)
		no, rest, ok := rejections(changes, err)
		if !ok {
			return err
		}
		if err := a.parkRejected(ctx, no, cursor.Revision); err != nil {
			return err
		}
		changes = rest
	}
}

// commitAll is commit of changes of which none is refused.
func (a *applier) commitAll(ctx context.Context, changes []change.Change, cursor target.Cursor) error {
	if err := a.barrier(ctx); err != nil {
		return err
	}
	cursor.Parked = len(a.parked.keys)
	for _, c := range changes {
		if _, merged := a.merging[string(c.Key)]; a.parked.has(c.Key) && !merged {
			cursor.Parked--
		}
	}
	tx := target.Tx{Changes: changes, Cursor: &cursor}
	if s := a.sight; s != nil {
		cursor.Seen = s.seen
		if len(changes) > 0 && (len(changes) <= a.target.Guardable() || a.protects(changes)) {
			tx.Newest = s.newest
		}
	}
	var rev int64
	failpoint.Hit(failpoint.CommitBefore)
	send := a.promptly
	if len(changes) > 0 {
		send = a.offer
	}
	err := send(ctx, func() (err error) {
		rev, err = a.target.Commit(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.CommitAfter)
	a.auditor.wrote(rev, len(changes))
	a.wroteAll(rev, changes)
	a.modRev = rev
	a.cursor, a.wrote = cursor, time.Now()
	a.keep, a.kept = a.behind, 0
	a.im.view.committed(cursor)
	if err := a.keepUp(ctx); err != nil {
		return err
	}
	return a.parked.saveGone(ctx, a)
}

// wroteChange notes a change that the target took. It counts more than what
// was said of its key before.
//
// A key that got another value than the source's is set aside already, and the
// table says of it what the source has.
func (a *applier) wroteChange(c change.Change) {
	if _, merged := a.merging[string(c.Key)]; merged {
		delete(a.merging, string(c.Key))
		if k := a.parked.keys[string(c.Key)]; k != nil {
			k.Present, k.group.dirty = c.Op == change.Put, true
		}
		return
	}
	if c.Op == change.Put {
		a.wrotePut(c.Key, digest.Item(c.Key, c.Value))
		delete(a.comparison.deletes, string(c.Key))
	} else {
		a.wroteDelete(c.Key)
	}
	a.parked.release(c.Key)
}

// patiently calls fn until it succeeds or fails for good.
func (a *applier) patiently(ctx context.Context, fn func() error) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := fn()
		if err == nil {
			a.im.view.trouble(partTarget, nil)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if final(err) {
			return err
		}
		a.im.view.trouble(partTarget, err)
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// promptly is patiently for requests that a healthy target answers soon.
func (a *applier) promptly(ctx context.Context, fn func() error) error {
	return a.patiently(ctx, func() error {
		defer a.im.view.ask()()
		return fn()
	})
}

// offer is promptly for changes: that the target's user may not make one of
// them is an answer, too.
func (a *applier) offer(ctx context.Context, fn func() error) error {
	var forbidden error
	err := a.promptly(ctx, func() error {
		err := fn()
		if errors.Is(err, target.ErrForbidden) {
			forbidden, err = err, nil
		}
		return err
	})
	return errors.Join(err, forbidden)
}

// final reports whether the same call would fail again. A commit of which the
// outcome is not known is one: the next session reads the cursor first.
func final(err error) bool {
	var fenced *target.Fenced
	var moved *target.Moved
	var large *target.TooLarge
	var dirty *target.Dirty
	var rejected *target.Rejected
	return errors.As(err, &fenced) || errors.As(err, &moved) || errors.As(err, &large) || errors.As(err, &dirty) || errors.As(err, &rejected) ||
		errors.Is(err, target.ErrOutside) || errors.Is(err, target.ErrRefused) || errors.Is(err, target.ErrOutcomeUnknown) || errors.Is(err, target.ErrNotLoaded)
}

// wait sleeps unless ctx is done first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
