package ledger

import (
	"errors"
	"fmt"
	"runtime/debug"

	berrors "go.etcd.io/bbolt/errors"
)

// damagedError is about what is in the file.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return "the file is damaged: " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

func damagef(format string, args ...any) error { return &damagedError{fmt.Errorf(format, args...)} }

// guarded runs f, which reads mapped pages. bbolt panics where a page makes no
// sense, and the processor faults where the file is shorter than it says: both
// are a *damagedError here.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damagef("%v", p)
		}
	}()
	return f()
}

// read runs f on the file, when there is one.
func (l *Ledger) read(f func(*file) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.db == nil {
		return ErrClosed
	}
	return l.wrap("read", guarded(func() error { return view(l.db, f) }))
}

// write runs f on the file. f may run twice: a file that is found damaged is
// replaced by an empty one.
func (l *Ledger) write(f func(*file) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db == nil {
		return ErrClosed
	}
	err := guarded(func() error { return update(l.db, f) })
	if damage := (*damagedError)(nil); !errors.As(err, &damage) {
		return l.wrap("write", err)
	}
	// The damaged database is not closed: a panic may have left its locks held.
	if err := l.setAside(); err != nil {
		return err
	}
	db, err := openFile(l.path)
	if err != nil {
		l.db = nil
		return l.wrap("replace", err)
	}
	l.db = db
	return l.wrap("write", guarded(func() error { return update(l.db, f) }))
}

func (l *Ledger) wrap(doing string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = ErrClosed
	}
	return fmt.Errorf("%s the conflict ledger %s: %w", doing, l.path, err)
}
