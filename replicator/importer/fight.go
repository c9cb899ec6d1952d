package importer

import (
	"context"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/status"
)

// fight is a key that is changed again and again.
type fight struct {
	first  time.Time
	last   time.Time // when it was last changed, or put right after a pause
	times  int
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
func (f *fight) over(now time.Time) bool {
	if f.pause == 0 {
		return now.Sub(f.first) > fightWithin
	}
	return now.Sub(f.last) > 2*mostFightPause
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
		if f = s.newFight(key, now); f == nil {
			s.crowd[key] = struct{}{}
			return true
		}
	}
	f.last = now
	if f.times++; f.times <= fightTimes {
		return false
	}
	f.pause = min(max(fightPause, 2*f.pause), mostFightPause)
	f.due, f.source = now.Add(f.pause), c.Source
	return true
}

// newFight remembers a key. When too many are remembered it takes the place of
// the one that is quiet for longest, and its count: however many keys somebody
// changes in turn, none is put right at once for ever. nil: all are put off.
func (s *sight) newFight(key string, now time.Time) *fight {
	f := &fight{first: now}
	if len(s.fights) >= mostFights {
		quiet := s.quietest()
		if quiet == "" {
			return nil
		}
		if old := s.fights[quiet]; !old.over(now) {
			f.first, f.times, f.pause = old.first, old.times, old.pause
		}
		delete(s.fights, quiet)
	}
	s.fights[key] = f
	return f
}

// quietest is the key that is not put off and was changed longest ago, "" when
// there is none.
func (s *sight) quietest() (key string) {
	for k, f := range s.fights {
		if f.due.IsZero() && (key == "" || f.last.Before(s.fights[key].last)) {
			key = k
		}
	}
	return key
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
		*f = fight{first: now, last: now, times: fightTimes, pause: mostFightPause, due: now.Add(mostFightPause), source: source}
	}
	return a.tryAgain(ctx, unknown)
}
