package wal

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// Recovery says what Open found and did.
type Recovery struct {
	Path string
	// Created: there was no file, so an empty one was made.
	Created bool
	// Unfinished is the name of a half-made file that was removed: an earlier
	// process ended while it created or replaced the log.
	Unfinished string
	// First, Next and Records describe the log that is now open.
	First, Next, Records uint64
	// Damage is what is wrong with the file that was found, nil when nothing
	// is. Then SetAside is where that file is now, and the open log holds its
	// verified beginning.
	Damage   error
	SetAside string
	// Dropped is how many records of the damaged file are not in the log, as
	// far as the file still tells; DroppedKnown is false when it does not. When
	// the damage is in a meta page the newest commit may be missing, too.
	Dropped      uint64
	DroppedKnown bool
}

// Damaged reports whether anything was lost or may have been.
func (r Recovery) Damaged() bool { return r.Damage != nil }

// String is one line for a log.
func (r Recovery) String() string {
	var s string
	switch {
	case r.Damaged():
		dropped := "an unknown number of records was"
		if r.DroppedKnown {
			dropped = fmt.Sprintf("%d records were", r.Dropped)
		}
		s = fmt.Sprintf("%s: %v; the file is kept as %s, %d verified records go on (next is %d), %s dropped",
			r.Path, r.Damage, r.SetAside, r.Records, r.Next, dropped)
	case r.Created:
		s = r.Path + ": made an empty log"
	case r.Records == 0:
		s = fmt.Sprintf("%s: clean, no records (next is %d)", r.Path, r.Next)
	default:
		s = fmt.Sprintf("%s: clean, records %d to %d", r.Path, r.First, r.Next-1)
	}
	if r.Unfinished != "" {
		s += "; removed unfinished " + r.Unfinished
	}
	return s
}

// recoverFile opens the file at path: makes it when absent, takes it when
// sound, replaces it by its verified beginning when damaged. The caller holds
// the lock.
func recoverFile(path string, o Options) (*bbolt.DB, state, Recovery, error) {
	found := Recovery{Path: path}
	if err := os.Remove(newPath(path)); err == nil {
		found.Unfinished = newPath(path)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, state{}, found, fmt.Errorf("remove unfinished file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		found.Created = true
		return found.replace(o, state{first: 1, next: 1}, nil)
	}
	if err != nil {
		return nil, state{}, found, err
	}
	db, s, found, err := found.take(f, o)
	return db, s, found, errors.Join(err, f.Close())
}

func (r Recovery) take(f *os.File, o Options) (*bbolt.DB, state, Recovery, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, state{}, r, errors.Join(ErrForeign, err)
	}
	a, err := auditFile(f, nil)
	if err != nil {
		return nil, state{}, r, err
	}
	switch {
	case a.damage != nil:
		return r.repair(f, a, o)
	case a.format < FormatVersion:
		return r.replace(o, a.state, copyOf(f, a.kept))
	}
	db, err := openBolt(r.Path, r.Path, o)
	return db, a.state, r.holding(a.state), err
}

func (r Recovery) holding(s state) Recovery {
	r.First, r.Next, r.Records = s.first, s.next, s.count()
	return r
}

// repair copies the verified beginning to a fresh file and puts it in place of
// the damaged one. At every moment in between, path names one of the two.
func (r Recovery) repair(f *os.File, a audit, o Options) (*bbolt.DB, state, Recovery, error) {
	r.Damage = a.damage
	s := a.verified()
	if r.DroppedKnown = a.stateOK; a.stateOK {
		r.Dropped = a.state.count() - s.count()
	}
	return r.replace(o, s, copyOf(f, a.kept))
}

// copyOf fills a database with the first records of a file.
func copyOf(f *os.File, records uint64) func(*bbolt.DB) error {
	return func(db *bbolt.DB) error {
		c := copier{db: db}
		left := records
		_, err := auditFile(f, func(rec Record) error {
			if left == 0 {
				return nil
			}
			left--
			return c.add(rec)
		})
		if err == nil && left > 0 {
			err = fmt.Errorf("%d verified records cannot be read again", left)
		}
		return errors.Join(err, c.flush())
	}
}

// verified is the state of a log that holds the verified beginning only.
func (a audit) verified() state {
	switch {
	case a.kept > 0:
		return state{first: a.state.first, next: a.last + 1, bytes: a.bytes}
	case a.stateOK:
		return state{first: a.state.next, next: a.state.next}
	default:
		return state{first: 1, next: 1}
	}
}

// replace makes a log and gives it the path's name, keeping a damaged file's.
func (r Recovery) replace(o Options, s state, fill func(*bbolt.DB) error) (*bbolt.DB, state, Recovery, error) {
	db, err := build(r.Path, o, s, fill)
	if err != nil {
		return nil, state{}, r, err
	}
	if r.Damaged() {
		failpoint.Hit(failpoint.WalAsideBefore)
		r.SetAside, err = keepAside(r.Path)
		failpoint.Hit(failpoint.WalAsideAfter)
	}
	if err == nil {
		err = publish(r.Path)
	}
	if err != nil {
		return nil, state{}, r, errors.Join(err, discard(db, r.Path))
	}
	if err := syncDir(r.Path); err != nil {
		return nil, state{}, r, errors.Join(err, db.Close())
	}
	return db, s, r.holding(s), nil
}

// keepAside gives the damaged file a second name that stays when path is
// renamed over. File systems without links get a rename: there a crash in
// between leaves path absent, and the next Open makes an empty log.
func keepAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.damaged-%d", path, n)
		err := os.Link(path, aside)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			return aside, nil
		}
		if _, statErr := os.Lstat(aside); statErr == nil {
			continue
		}
		if err := os.Rename(path, aside); err != nil {
			return "", fmt.Errorf("set the damaged file aside: %w", err)
		}
		return aside, nil
	}
}
