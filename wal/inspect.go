package wal

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Summary is what a file says about itself.
type Summary struct {
	Path   string
	Format int
	// First, Next, Records and Bytes are those of the file. Truncated records
	// that are not yet removed from it count.
	First, Next, Records uint64
	Bytes                int64
	FileBytes            int64
	PageSize             int
	Pages, FreePages     int // FreePages is -1 when the file could not be walked
	// InUse: a process has the log open. Only what one page tells is known.
	InUse bool
	// Damage is what is wrong with the file, nil when nothing was found.
	Damage error
}

// Inspect describes the log at path without changing anything, also while a
// process has it open. A damaged file is described as far as it goes, see
// Summary.Damage; the error is for a file that cannot be read, ErrForeign and
// ErrFormat.
func Inspect(path string) (Summary, error) {
	s, err := examine(path, nil, true)
	if err != nil {
		return s, fmt.Errorf("inspect log %s: %w", path, err)
	}
	return s, nil
}

// Verify reads the whole log at path, calls each (which may be nil) with every
// record in order until the first damage, and runs bbolt's own check. It changes
// nothing. The record's data is valid during the call. Damage is the error,
// naming the record if it is in one; ErrLocked when a process has the log open.
func Verify(path string, each func(Record) error) (Summary, error) {
	s, err := examine(path, each, false)
	if err == nil {
		err = s.Damage
	}
	if err == nil {
		err = checkBolt(path)
	}
	if err != nil {
		return s, fmt.Errorf("verify log %s: %w", path, err)
	}
	return s, nil
}

func examine(path string, each func(Record) error, live bool) (_ Summary, err error) {
	s := Summary{Path: path, FreePages: -1}
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lock, err := lockShared(path)
	if lock != nil {
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	if live && errors.Is(err, ErrLocked) {
		return s.peek(f)
	}
	if err != nil {
		return s, err
	}
	a, err := auditFile(f, each)
	if err != nil {
		return s, err
	}
	return s.of(a), nil
}

func (s Summary) of(a audit) Summary {
	s.Format = a.format
	s.First, s.Next, s.Records, s.Bytes = a.state.first, a.state.next, a.state.count(), a.state.bytes
	s.FileBytes, s.PageSize, s.Pages, s.Damage = a.fileBytes, a.pageSize, a.pages, a.damage
	if a.damage == nil {
		s.FreePages = a.freePages
	}
	return s
}

// peekAttempts is how often peek looks again when a commit changed the file
// under its eyes.
const peekAttempts = 100

// peek reads only the state, of a file that a process writes to. Pages of one
// commit stay untouched until the commit after the next begins, so a state is
// good when no commit has happened by the end of the reading.
func (s Summary) peek(f *os.File) (Summary, error) {
	s.InUse = true
	var last error
	for range peekAttempts {
		info, err := f.Stat()
		if err != nil {
			return s, err
		}
		a := audit{fileBytes: info.Size()}
		if last = a.glance(f); last == nil {
			s = s.of(a)
			s.FreePages = -1
			return s, nil
		}
	}
	return s, fmt.Errorf("the log changes faster than it can be read: %w", errors.Join(ErrLocked, last))
}

// errMoved: a commit ended during a glance.
var errMoved = errors.New("a commit came in between")

// glance reads the state and nothing else.
func (a *audit) glance(f *os.File) error {
	before, _, err := openPages(f, a.fileBytes)
	if err != nil {
		return err
	}
	header, _, err := before.roots()
	if err != nil {
		return err
	}
	if err := a.readHeader(before, header); err != nil {
		return err
	}
	after, _, err := openPages(f, a.fileBytes)
	if err == nil && after.meta.txid != before.meta.txid {
		err = errMoved
	}
	a.pageSize, a.pages = before.meta.pageSize, int(before.meta.highWater)
	return err
}

func checkBolt(path string) (err error) {
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: defaultLock})
	if errors.Is(err, berrors.ErrTimeout) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return guard(func() error {
		return db.View(func(tx *bbolt.Tx) (err error) {
			for e := range tx.Check() {
				err = errors.Join(err, damagef("bbolt: %v", e))
			}
			return err
		})
	})
}
