package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// Log is an open log. All its methods may run at once.
type Log struct {
	path string
	opts Options
	lock *os.File

	// swap guards db against being closed or replaced while a reader is in it.
	// Only the committer writes and replaces.
	swap sync.RWMutex
	db   *bbolt.DB // nil once closed
	// touched is how many bytes were read since mapped pages were given back.
	touched atomic.Int64
	spare   atomic.Pointer[joiner] // of the last Read; one that runs has it

	mu     sync.Mutex
	view   state // what readers see
	disk   state // what the last commit stored; disk.first may lag view.first
	queues queues
	closed bool  // no call is accepted any more
	failed error // ErrFailed with its cause, or nil
	// trimBlocked: removing truncated data failed; wait for something to change.
	trimBlocked bool
	news        chan struct{} // closed, and replaced, when view.next grows or the log closes

	wake    chan struct{} // tells the committer to look again; one token is enough; never closed
	done    chan struct{} // closed by the committer when it ends
	closing sync.Once
	closeE  error

	committer committer
}

// Open opens the log at path, making it when there is none. It waits up to
// Options.Lock for another process to let go, else fails with ErrLocked. The
// directory must exist.
//
// Open reads and verifies the whole file first; Recovery names what it found.
// On return the file and its name are durable. A foreign file and an unknown
// format version are refused with ErrForeign and ErrFormat.
func Open(path string, o Options) (*Log, Recovery, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, Recovery{}, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // renaming over a link would leave the linked file behind
	}
	lock, err := lockExclusive(path, o.Lock)
	if err != nil {
		return nil, Recovery{}, fmt.Errorf("open log %s: %w", path, err)
	}
	db, s, found, err := recoverFile(path, o)
	if err != nil {
		return nil, found, errors.Join(fmt.Errorf("open log %s: %w", path, err), lock.Close())
	}
	l := &Log{
		path: path, opts: o, lock: lock, db: db, view: s, disk: s,
		news: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go l.commitAll()
	return l, found, nil
}

// First is the sequence number of the oldest record; it equals Next when the
// log is empty.
func (l *Log) First() uint64 { return l.current().first }

// Next is the sequence number that the next record will get.
func (l *Log) Next() uint64 { return l.current().next }

// Len is the number of records.
func (l *Log) Len() int { return int(l.current().count()) }

// Bytes is the size of the records, Overhead included.
func (l *Log) Bytes() int64 { return l.current().bytes }

// Path is where the log is, symbolic links resolved.
func (l *Log) Path() string { return l.path }

func (l *Log) current() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

// Wait returns nil as soon as there is a record with a number >= seq (so that
// Read(seq, n) gives something), ErrClosed when the log closes first, and the
// context's cause when that ends first.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		next, closed, news := l.view.next, l.closed, l.news
		l.mu.Unlock()
		switch {
		case next > seq && next > l.First():
			return nil
		case closed:
			return l.wrap("wait", ErrClosed)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return l.wrap("wait", context.Cause(ctx))
		}
	}
}

// announce wakes everybody in Wait. The caller holds mu.
func (l *Log) announce() {
	close(l.news)
	l.news = make(chan struct{})
}

func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) wrap(doing string, err error) error {
	return fmt.Errorf("log %s: %s: %w", l.path, doing, err)
}

// Close refuses new calls, lets accepted appends finish (those still blocked by
// a full log end with ErrClosed), writes the truncations that wait, and lets go
// of the file. A second Close waits for the first and returns its error.
func (l *Log) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.queues.refuse(ErrClosed)
		l.announce()
	}
	l.mu.Unlock()
	l.nudge()
	<-l.done
	l.closing.Do(func() {
		l.swap.Lock()
		defer l.swap.Unlock()
		l.closeE = errors.Join(l.committer.last, l.db.Close(), l.lock.Close())
		l.db = nil
		if l.closeE != nil {
			l.closeE = l.wrap("close", l.closeE)
		}
	})
	return l.closeE
}

// guard turns a panic of bbolt, and a memory fault under its mapping (a file cut
// short by another program, a disk that cannot be read), into an error.
func guard(storage func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{CorruptError{Reason: fmt.Sprint(r)}}
		}
	}()
	return storage()
}

// panicError is damage that bbolt met unprepared: what it holds in memory is in
// doubt.
type panicError struct{ cause CorruptError }

func (e *panicError) Error() string { return e.cause.Error() }
func (e *panicError) Unwrap() error { return &e.cause }
