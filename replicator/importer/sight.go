package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// sight is what others write to the selection at the target, as it comes. The
// applier owns it; one goroutine watches, and ends with close.
type sight struct {
	seen    int64            // every write of others at or below it was dealt with
	ours    map[string]int64 // keys that we wrote above seen, and the revision
	written []written        // the same, oldest first
	fights  map[string]*fight
	tally   tally               // of keys that were put right
	crowd   map[string]struct{} // keys that are put off, and of which no fight is remembered
	owed    map[string]owed     // edits that are not put right because of a later one

	batches chan glimpse // closed when the watch has ended
	first   *glimpse     // received, and not dealt with
	ended   bool
	err     error // why the watch ended; of ended
	stop    context.CancelFunc
}

// glimpse is what the watch tells at once.
type glimpse struct {
	writes []target.Local
	seen   int64
}

type written struct {
	revision int64
	keys     []string
}

// mostOurs bounds how many keys of ours the watch may be behind.
const mostOurs = 50_000

func newSight(ctx context.Context, t Target, ranges []change.Range, from int64) *sight {
	ctx, stop := context.WithCancel(ctx)
	s := &sight{
		seen: from, ours: make(map[string]int64), fights: make(map[string]*fight), crowd: make(map[string]struct{}),
		owed: make(map[string]owed), batches: make(chan glimpse), stop: stop,
	}
	go func() {
		defer close(s.batches)
		s.err = t.Watch(ctx, ranges, from, func(writes []target.Local, seen int64) error {
			select {
			case s.batches <- glimpse{writes, seen}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	return s
}

// close ends the watch and waits for it.
func (s *sight) close() {
	if s == nil {
		return
	}
	s.stop()
	for range s.batches {
		continue // nobody deals with it: it comes again
	}
}

// received takes what came out of batches.
func (s *sight) received(g glimpse, ok bool) {
	if !ok {
		s.ended = true
		return
	}
	s.first = &g
}

// next is the next glimpse, if there is one now.
func (s *sight) next() (g glimpse, ok bool) {
	if s.first == nil && !s.ended {
		select {
		case g, ok := <-s.batches:
			s.received(g, ok)
		default:
		}
	}
	if s.first == nil {
		return glimpse{}, false
	}
	g, s.first = *s.first, nil
	return g, true
}

// wait waits until there is a next glimpse, or never will be.
func (s *sight) wait(ctx context.Context) error {
	if s.first != nil || s.ended {
		return nil
	}
	select {
	case g, ok := <-s.batches:
		s.received(g, ok)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wrote notes keys that we wrote.
func (s *sight) wrote(revision int64, keys []string) {
	if s == nil || revision <= s.seen || len(keys) == 0 {
		return
	}
	for _, k := range keys {
		s.ours[k] = max(s.ours[k], revision)
	}
	s.written = append(s.written, written{revision, keys})
}

// passed notes up to where writes of others were dealt with.
func (s *sight) passed(seen int64) {
	s.seen = max(s.seen, seen)
	for len(s.written) > 0 && s.written[0].revision <= s.seen {
		for _, k := range s.written[0].keys {
			if s.ours[k] <= s.seen {
				delete(s.ours, k)
			}
		}
		s.written = s.written[1:]
	}
}

// owed is an edit that somebody wrote over before it was put right: only with
// the later edit it tells what was replicated last.
type owed struct {
	edit edit
	upTo int64 // the later write is at or below it
}

// owe has an edit be dealt with together with the write after it.
func (s *sight) owe(m mend, upTo int64) {
	if m.edit != nil {
		s.owed[string(m.edit.Key)] = owed{*m.edit, upTo}
	}
}

// due are the edits that a glimpse tells of, with what is owed of their keys. A
// write over what is owed that does not show up was ours.
func (s *sight) due(g glimpse) []edit {
	edits := newestOf(g.writes)
	for i := range edits {
		key := string(edits[i].Key)
		if o, ok := s.owed[key]; ok {
			edits[i].first = o.edit.first
			delete(s.owed, key)
		}
	}
	for key, o := range s.owed {
		if o.upTo <= g.seen {
			delete(s.owed, key)
		}
	}
	return edits
}

// settled is up to where everything below a revision was dealt with.
func (s *sight) settled(seen int64) int64 {
	for _, o := range s.owed {
		seen = min(seen, o.edit.first-1)
	}
	return seen
}

// newest is the revision above which a write of the key is not known.
func (s *sight) newest(key []byte) int64 { return max(s.seen, s.ours[string(key)]) }

// open begins to watch behind a revision at which what others wrote is known.
func (a *applier) open(ctx context.Context, from int64) {
	a.sight = newSight(ctx, a.target, a.ranges, from)
	a.im.sight = a.sight
	a.im.view.sees(from)
}

// notice deals with what others wrote, as far as it is here. A paused edge deals
// with it when it goes on.
func (a *applier) notice(ctx context.Context) error {
	for a.sight != nil && !a.cursor.Paused {
		g, ok := a.sight.next()
		switch {
		case ok:
			if err := a.dealWith(ctx, g); err != nil {
				return err
			}
		case a.sight.ended:
			return a.blind(ctx)
		default:
			return a.fightOn(ctx)
		}
	}
	return nil
}

// keepUp waits for the watch when it is far behind our own writes: what it has
// not passed is remembered.
func (a *applier) keepUp(ctx context.Context) error {
	if a.sight == nil || len(a.sight.ours) <= mostOurs {
		return nil
	}
	return a.noticeUpTo(ctx, a.sight.written[0].revision)
}

// noticeUpTo deals with everything that others wrote up to a revision of the
// target.
func (a *applier) noticeUpTo(ctx context.Context, revision int64) error {
	for a.sight != nil && a.sight.seen < revision && !a.cursor.Paused {
		if err := a.sight.wait(ctx); err != nil {
			return err
		}
		if err := a.notice(ctx); err != nil {
			return err
		}
	}
	return nil
}

// blind goes on without a watch: what others wrote is found by comparing.
func (a *applier) blind(ctx context.Context) error {
	err := a.sight.err
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !errors.Is(err, target.ErrCompacted) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("watch what others write to the target: %w", err)
	}
	a.im.logger.Warn("what others wrote to the target is not known any more: it is compared", "seen", a.sight.seen, "cause", err.Error())
	a.sightless = errors.Is(err, errors.ErrUnsupported)
	a.sight, a.lost = nil, a.sight.seen
	a.im.view.sees(0)
	a.forgetTable()
	return nil
}

// dirty deals with a write of others that kept a commit from being made, and
// reports whether it was that.
func (a *applier) dirty(ctx context.Context, err error) (bool, error) {
	var d *target.Dirty
	if !errors.As(err, &d) || a.cursor.Paused { // a paused edge deals with none
		return false, err
	}
	return true, a.noticeUpTo(ctx, d.Revision)
}

// soonest is when the next key that is fought over is put right, zero when there
// is none.
func (s *sight) soonest() (at time.Time) {
	if s == nil {
		return at
	}
	for _, f := range s.fights {
		if !f.due.IsZero() && (at.IsZero() || f.due.Before(at)) {
			at = f.due
		}
	}
	return at
}

// due tells when something may be tried again, a key that is fought over or one
// that the target refused, or when the time of a task is over. nil never tells.
func (a *applier) due() (<-chan time.Time, func()) {
	at := a.im.pace.over(a.im.view)
	if !a.cursor.Paused {
		at = sooner(at, a.sight.soonest())
	}
	if d, ok := a.retryIn(); ok {
		at = sooner(at, time.Now().Add(d))
	}
	if at.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(at))
	return timer.C, func() { timer.Stop() }
}

// sooner is the sooner of two times; the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
