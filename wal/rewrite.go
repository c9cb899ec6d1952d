package wal

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// rewriteRetry is how many commits pass between attempts to rewrite the file
// when one fails, for want of space as a rule.
const rewriteRetry = 256

// rewriteIfDue replaces a large file that is mostly free by a small one. A
// failure leaves everything as it was; it costs disk only, so appends go on.
func (l *Log) rewriteIfDue() {
	c := &l.committer
	live := l.current()
	if c.size <= l.opts.MaxFileBytes || live.bytes*4 > c.size {
		return
	}
	if c.rewritePause > 0 {
		c.rewritePause--
		return
	}
	if err := l.rewrite(live); err != nil {
		c.rewritePause = rewriteRetry
		l.opts.Log.Warn("the log file could not be made smaller, it is tried again later", "path", l.path, "error", err)
	}
}

// rewrite copies the live records to a fresh file and takes that from now on.
func (l *Log) rewrite(live state) error {
	if err := os.Remove(newPath(l.path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rewrite: %w", err)
	}
	fresh, err := build(l.path, l.opts, live, func(to *bbolt.DB) error {
		return guard(func() error { return copyRecords(to, l.db, live) })
	})
	if err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	if err := publish(l.path); err != nil {
		return errors.Join(fmt.Errorf("rewrite: %w", err), discard(fresh, l.path))
	}
	l.committer.unsyncedName = true
	l.committer.size = 0
	return errors.Join(l.exchange(fresh, live), l.syncName())
}

// exchange puts the fresh file to use and closes the old one.
func (l *Log) exchange(fresh *bbolt.DB, live state) error {
	l.swap.Lock()
	old := l.db
	l.db = fresh
	l.swap.Unlock()
	l.mu.Lock()
	l.disk = live
	l.mu.Unlock()
	return old.Close()
}

func copyRecords(to, from *bbolt.DB, live state) error {
	c := copier{db: to}
	err := from.View(func(tx *bbolt.Tx) error {
		return eachRecord(tx, new(joiner), live.first, live.next, func(r Record) (bool, error) { return true, c.add(r) })
	})
	return errors.Join(err, c.flush())
}
