package importer

import (
	"context"
	"hash/maphash"
	"maps"
	"math"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/status"
)

// fight is a key that was changed so often that it is put right with pauses.
type fight struct {
	last   time.Time // when it was last changed, or put right after a pause
	pause  time.Duration
	due    time.Time // when it is put right again; zero while it is not put off
	source conflict.Value
}

const (
	// fightTimes is how often within fightWithin a key is put right at once.
	fightTimes  = 5
	fightWithin = time.Minute
	// fightPause is the first pause after that; it doubles up to mostFightPause.
	fightPause     = 2 * time.Second
	mostFightPause = time.Minute
	// mostFights bounds how many values are remembered.
	mostFights = 256
)

// over reports whether nobody fights any more.
func (f *fight) over(now time.Time) bool { return f.due.IsZero() && now.Sub(f.last) > 2*mostFightPause }

// tally counts how often keys were put right within a minute. Keys that share a
// counter share the count: of fifty thousand that somebody changes once, a few wait
// for a pause. It is as large for any number of keys.
type tally struct {
	since  time.Time
	seed   maphash.Seed
	counts []uint8
}

// add counts a key and gives how often it, or another with its counter, was.
func (y *tally) add(key []byte, now time.Time) int {
	if y.counts == nil || now.Sub(y.since) > fightWithin {
		*y = tally{since: now, seed: maphash.MakeSeed(), counts: make([]uint8, 1<<16)}
	}
	n := &y.counts[maphash.Bytes(y.seed, key)%uint64(len(y.counts))]
	if *n < math.MaxUint8 {
		*n++
	}
	return int(*n)
}

// fought counts that a key is to be put right, and reports whether that is put
// off.
func (s *sight) fought(c conflict.Case) bool {
	now, key := time.Now(), string(c.Key)
	f := s.fights[key]
	if f != nil && f.over(now) {
		delete(s.fights, key)
		f = nil
	}
	if f == nil {
		if s.tally.add(c.Key, now) <= fightTimes {
			return false
		}
		if f = s.newFight(key, now); f == nil {
			s.crowd[key] = struct{}{}
			return true
		}
	}
	f.last, f.pause = now, min(max(fightPause, 2*f.pause), mostFightPause)
	f.due, f.source = now.Add(f.pause), c.Source
	return true
}

// newFight remembers a key, in the place of one that nobody fights over any more
// when there are too many. nil: all are fought over.
func (s *sight) newFight(key string, now time.Time) *fight {
	if len(s.fights) >= mostFights {
		maps.DeleteFunc(s.fights, func(_ string, f *fight) bool { return f.over(now) })
	}
	if len(s.fights) >= mostFights {
		return nil
	}
	f := new(fight)
	s.fights[key] = f
	return f
}

// fightOn puts keys right that are due again.
func (a *applier) fightOn(ctx context.Context) error {
	now := time.Now()
	for key, f := range a.sight.fights {
		if f.due.IsZero() || now.Before(f.due) {
			continue
		}
		if k := a.foughtOver(key); k == nil || changeSum(key, f.source) != k.Sum {
			delete(a.sight.fights, key) // something else was decided meanwhile
			continue
		}
		rev, err := a.onRecord(ctx, []byte(key), f.source, true)
		if err != nil {
			return err
		}
		f.due, f.last = time.Time{}, now
		if err := a.mendAll(ctx, []mend{{changeTo([]byte(key), f.source), max(rev, a.sight.seen), nil}}); err != nil {
			return err
		}
		if a.foughtOver(key) != nil { // somebody was faster
			f.due = now.Add(f.pause)
		}
	}
	return a.fightCrowd(ctx, now)
}

// foughtOver is a key that waits because it is fought over, nil when it does not.
func (a *applier) foughtOver(key string) *parkedKey {
	if k := a.parked.keys[key]; k != nil && k.group.Why == status.Fighting {
		return k
	}
	return nil
}

// fightCrowd remembers keys that were too many, as soon as there is room. What the
// source has of them is on record; where it is not, a comparison puts them right.
func (a *applier) fightCrowd(ctx context.Context, now time.Time) error {
	var unknown []*parkedGroup
	for key := range a.sight.crowd {
		k := a.foughtOver(key)
		if k == nil {
			delete(a.sight.crowd, key)
			continue
		}
		f := a.sight.newFight(key, now)
		if f == nil {
			break
		}
		delete(a.sight.crowd, key)
		source, known, err := a.lastReplicated([]byte(key), never)
		if err != nil {
			return err
		}
		if !known {
			unknown = append(unknown, k.group)
			continue
		}
		*f = fight{last: now, pause: mostFightPause, due: now.Add(mostFightPause), source: source}
	}
	return a.tryAgain(ctx, unknown)
}
