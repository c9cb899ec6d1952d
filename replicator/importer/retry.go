package importer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// groups are those that a command names and that fit it. That one is not there
// fails the task: nothing is done for the others either.
func (a *applier) groups(t *task, fits func(*parkedGroup) bool) []*parkedGroup {
	var out []*parkedGroup
	for _, id := range t.command.Groups {
		g := a.parked.find(id)
		if g == nil || !fits(g) {
			t.shown.Reason = fmt.Sprintf("there is no parked group %s that %s is for", id, t.command.Verb)
			t.shown.Try = "syncer parked list"
			return nil
		}
		out = append(out, g)
	}
	return out
}

// approve carries out the deletes of groups.
func (a *applier) approve(ctx context.Context, t *task) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	for _, g := range a.groups(t, func(g *parkedGroup) bool { return g.Why == status.MassDelete }) {
		var keys [][]byte
		for _, k := range g.stored().Keys {
			keys = append(keys, k.Key)
		}
		if err := a.delete(ctx, keys); err != nil {
			return err
		}
		t.shown.Delete += uint64(len(keys))
	}
	return a.cleanUp(ctx)
}

// retry takes groups for not parked, which makes the target differ, and has a
// comparison bring them over.
func (a *applier) retry(ctx context.Context, t *task) error {
	groups := a.groups(t, func(*parkedGroup) bool { return true })
	if err := a.probe(ctx); err != nil {
		return err
	}
	for _, g := range groups {
		refused, err := a.refusedStill(ctx, g)
		if err != nil {
			return err
		}
		if refused != nil {
			t.shown.Reason = fmt.Sprintf("group %s is refused still: key %q: %v", g.ID, refused.Key, refused.Err)
			t.shown.Try = fault.Try(refused.Err)
			return nil
		}
	}
	return a.tryAgain(ctx, groups)
}

// probe asks the target for its limits again: what is parked may fit by now.
func (a *applier) probe(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	if err := a.promptly(ctx, func() error { return a.target.Probe(ctx) }); err != nil {
		return err
	}
	a.im.limits = a.target.Limits()
	return nil
}

// refusedStill asks the target whether it goes on to refuse a group. Only the
// sizes of the values are known, and count.
func (a *applier) refusedStill(ctx context.Context, g *parkedGroup) (*target.Refused, error) {
	if g.Why == status.NotAccepted {
		return g.turnedAwayStill(a.im.cfg.Accept), nil
	}
	for _, k := range g.stored().Keys {
		c := change.Change{Op: change.Delete, Key: k.Key}
		if k.Put {
			size := max(k.Size, uint64(len(k.Key))) - uint64(len(k.Key)) // what is stored may be anything
			c.Op, c.Value = change.Put, make([]byte, min(size, change.MaxBody))
			if k.Sum == digest.Item(k.Key, change.Released) {
				c.Value = change.Released
			}
		}
		var refused []target.Refused
		err := a.promptly(ctx, func() (err error) {
			refused, err = a.target.Refused(ctx, []change.Change{c})
			return err
		})
		if err != nil || len(refused) > 0 {
			return first(refused), err
		}
	}
	return nil, nil
}

func first(refused []target.Refused) *target.Refused {
	if len(refused) == 0 {
		return nil
	}
	return &refused[0]
}

// tryAgain takes groups for not parked and compares.
func (a *applier) tryAgain(ctx context.Context, groups []*parkedGroup) error {
	if len(groups) == 0 {
		return nil
	}
	return a.compareAgain(ctx, "parked changes are tried again", func() {
		for _, g := range groups {
			a.parked.remove(g)
		}
	})
}

// compareAgain compares once something that was parked is not any more, which
// forget brings about.
func (a *applier) compareAgain(ctx context.Context, reason string, forget func()) error {
	// Until the target is read again, the table says of these keys what the
	// source has. A session that ends before that has to begin with a look.
	a.im.stale.Store(true)
	forget()
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.setConsistent(ctx, false); err != nil {
		return err
	}
	if err := a.parked.save(ctx, a); err != nil {
		return err
	}
	a.postpone()
	a.comparison.begin(reason)
	a.forgetTable()
	a.im.stale.Store(false)
	return nil
}

func (a *applier) drop(ctx context.Context, t *task) error {
	for _, g := range a.groups(t, func(*parkedGroup) bool { return true }) {
		g.Dropped, g.dirty = true, true
	}
	return a.parked.save(ctx, a)
}

// retryEvery is how often refused groups are tried again by themselves. They
// are at each start, too.
const retryEvery = time.Hour

// retryNow tries refused groups again when that is due.
func (a *applier) retryNow(ctx context.Context) error {
	if !a.cursor.Consistent || a.comparison.id != "" || time.Since(a.im.retried) < retryEvery {
		return nil
	}
	a.im.retried = time.Now()
	return a.retryRefused(ctx)
}

// retryRefused tries groups again that the target does not refuse any more,
// unless an operator dropped them.
func (a *applier) retryRefused(ctx context.Context) error {
	var groups []*parkedGroup
	_, byItself := a.target.(retrier)
	waiting := slices.DeleteFunc(slices.Clone(a.parked.groups), func(g *parkedGroup) bool {
		return g.Why == status.MassDelete || g.Dropped || status.Local(g.Why) || byItself && mayAgain(g)
	})
	if len(waiting) == 0 {
		return nil
	}
	if err := a.probe(ctx); err != nil {
		return err
	}
	for _, g := range waiting {
		refused, err := a.refusedStill(ctx, g)
		if err != nil {
			return err
		}
		if refused == nil {
			groups = append(groups, g)
		}
	}
	return a.tryAgain(ctx, groups)
}
