package importer

import (
	"context"
	"slices"
	"time"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// retrier is a target that keeps the values of what it refused, and can try them
// again by itself, also while the source is away.
type retrier interface {
	Again(ctx context.Context, keys []target.ParkedKey) (target.Again, error)
}

// again is when parked groups are tried again at a retrier. What waits for
// something at the edge is tried soon: nothing tells when that is there. What
// was refused needs somebody to change it.
type again struct {
	due map[string]*patience // by group
}

type patience struct {
	at    time.Time
	pause time.Duration
}

func pauses(why string) (first, most time.Duration) {
	if why == status.Waiting {
		return time.Second, 15 * time.Second
	}
	return 30 * time.Second, time.Hour
}

// mayAgain reports whether a retrier tries the group again.
func mayAgain(g *parkedGroup) bool {
	return !g.Dropped && g.Why != status.MassDelete && g.Why != status.NotAccepted && !status.Local(g.Why)
}

// next is when a group is due.
func (r *again) next(g *parkedGroup, now time.Time) *patience {
	if r.due == nil {
		r.due = make(map[string]*patience)
	}
	p := r.due[g.ID]
	if p == nil {
		first, _ := pauses(g.Why)
		p = &patience{at: now.Add(first), pause: first}
		r.due[g.ID] = p
	}
	return p
}

// failed has a group wait longer.
func (p *patience) failed(why string, now time.Time) {
	_, most := pauses(why)
	p.pause = min(2*p.pause, most)
	p.at = now.Add(p.pause)
}

// retrier is the target if it is one and may be asked now: a comparison brings
// what is parked itself.
func (a *applier) retrier() (retrier, bool) {
	r, can := a.target.(retrier)
	return r, can && a.comparison.id == "" && !a.cursor.Paused
}

// retryIn is how long until a group is due; ok is false when none is.
func (a *applier) retryIn() (wait time.Duration, ok bool) {
	if _, can := a.retrier(); !can {
		return 0, false
	}
	now := time.Now()
	for _, g := range a.parked.groups {
		if !mayAgain(g) {
			continue
		}
		if d := max(a.im.again.next(g, now).at.Sub(now), 0); !ok || d < wait {
			wait, ok = d, true
		}
	}
	return wait, ok
}

// retryDue tries groups again that are due. What the target takes is parked no
// more: digests count of it what the source has already.
func (a *applier) retryDue(ctx context.Context) error {
	r, can := a.retrier()
	if !can {
		return nil
	}
	now := time.Now()
	for _, g := range slices.Clone(a.parked.groups) {
		if !mayAgain(g) {
			continue
		}
		p := a.im.again.next(g, now)
		if p.at.After(now) {
			continue
		}
		if err := a.barrier(ctx); err != nil {
			return err
		}
		if err := a.retryGroup(ctx, r, g); err != nil {
			return err
		}
		p.failed(g.Why, time.Now())
	}
	a.forgetPatience()
	return a.parked.save(ctx, a)
}

// retryGroup tries one key first: as long as that is refused, so are the others.
func (a *applier) retryGroup(ctx context.Context, r retrier, g *parkedGroup) error {
	keys := g.stored().Keys
	for _, part := range [][]target.ParkedKey{keys[:1], keys[1:]} {
		if len(part) == 0 {
			return nil
		}
		var done target.Again
		err := a.offer(ctx, func() (err error) {
			done, err = r.Again(ctx, part)
			return err
		})
		if err != nil {
			return err
		}
		for _, key := range done.Taken {
			a.parked.release(key)
		}
		if len(done.Taken) > 0 {
			a.im.logger.Info("what was parked is taken", "group", g.ID, "keys", len(done.Taken))
		}
		if len(done.Unknown) > 0 { // only the source has their values
			return a.tryAgain(ctx, []*parkedGroup{g})
		}
		if len(done.Refused) > 0 {
			return nil
		}
	}
	return nil
}

// forgetPatience forgets groups that are not there any more.
func (a *applier) forgetPatience() {
	for id := range a.im.again.due {
		if a.parked.find(id) == nil {
			delete(a.im.again.due, id)
		}
	}
}
