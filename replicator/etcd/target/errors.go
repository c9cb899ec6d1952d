package target

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Errors of Commit besides the types below.
var (
	// ErrOutcomeUnknown: the context ended before it was known whether the
	// transaction took effect. Load finds it out.
	ErrOutcomeUnknown = errors.New("it is not known whether the transaction took effect")
	// ErrOutside: a change is about a key outside the selection.
	ErrOutside = errors.New("outside the selection")
	// ErrNotLoaded: Commit was called before Load or Claim, or before Load
	// after ErrOutcomeUnknown.
	ErrNotLoaded = errors.New("the cursor is not loaded")
	// ErrForbidden: the etcd denied this user a key of the transaction, or all
	// of them. Refused tells which.
	ErrForbidden error = rpctypes.ErrPermissionDenied
	// ErrRefused: the target does not take one of the changes, whatever the etcd
	// would. Refused tells which, and why.
	ErrRefused = errors.New("the target does not take it")
)

// errTouched says that a key in a guarded range was written after it was
// listed.
var errTouched = errors.New("a local write came in between")

// Fenced says that another writer claimed the cursor. Whoever gets it stops.
type Fenced struct {
	By     string // the owner that the cursor names
	Cursor Cursor
}

func (f *Fenced) Error() string {
	return fmt.Sprintf("fenced by %q, which stands at %s", f.By, f.Cursor.Position())
}

// Moved says that the cursor is neither what we wrote last nor written by
// another writer after it: the target was restored or wiped.
type Moved struct {
	Found  bool
	Cursor Cursor // what stands there, if Found
	ModRev int64
}

func (m *Moved) Error() string {
	if !m.Found {
		return "the cursor is gone: the target was wiped or replaced"
	}
	return fmt.Sprintf("the cursor went back to %s: the target was restored", m.Cursor.Position())
}

// TooLarge says that a transaction does not fit into etcd's limits, not even
// with its deletes drawn together.
type TooLarge struct {
	Bytes int // of the request
	Limit int
	Ops   int // changes in it
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("a transaction of %d changes needs %d bytes, and etcd takes %d", e.Ops, e.Bytes, e.Limit)
}

// lost is the error for a cursor that is not the one we insist on.
func (t *Target) lost(now state) error {
	ours := now.found() && now.rec.Session == t.session
	return Lost(t.key, now.found(), ours, now.modRev < t.guard.modRev, now.rec.Cursor, now.modRev)
}

// overtaken reports whether err says that the cursor changed under us.
func overtaken(err error) bool {
	var f *Fenced
	var m *Moved
	return errors.As(err, &f) || errors.As(err, &m)
}
