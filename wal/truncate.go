package wal

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// TruncateBelow removes all records with a number below seq; a seq beyond Next
// means Next. Readers stop seeing them, and blocked appends get their room, at
// once. Nothing is durable on return: the removal is written in passing (see the
// package documentation), and after a crash the records may be back.
//
// Besides ErrClosed it fails only when the file cannot be read; then nothing is
// truncated.
func (l *Log) TruncateBelow(seq uint64) error {
	for {
		before := l.current()
		if seq <= before.first {
			return nil
		}
		var size int64
		if seq < before.next {
			var err error
			if size, err = l.sizeOf(before.first, seq); err != nil {
				return l.wrap(fmt.Sprintf("truncate below %d", seq), err)
			}
		}
		if done, err := l.truncate(before, seq, size); done {
			return err
		}
	}
}

// truncate does it unless the view has changed since before in a way that makes
// size wrong.
func (l *Log) truncate(before state, seq uint64, size int64) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return true, l.wrap(fmt.Sprintf("truncate below %d", seq), ErrClosed)
	case l.view.first != before.first:
		return false, nil
	case seq >= l.view.next:
		l.view.first, l.view.bytes = l.view.next, 0
	case seq >= before.next:
		return false, nil // records were appended since: the size is not known
	default:
		l.view.first, l.view.bytes = seq, l.view.bytes-size
	}
	l.trimBlocked = false
	l.admit()
	if l.trimDue() {
		l.nudge()
	}
	return true, nil
}

// trimDue says whether enough truncated data waits for a commit of its own. The
// caller holds mu.
func (l *Log) trimDue() bool {
	waiting := l.view.first - l.disk.first
	return !l.trimBlocked && waiting > 0 &&
		(waiting >= trimRecords || l.disk.bytes-l.view.bytes >= l.opts.trimBytes())
}

// sizeOf is the size of the records from first up to, not including, seq.
func (l *Log) sizeOf(first, seq uint64) (size int64, err error) {
	err = l.inside(func(tx *bbolt.Tx) error {
		end := recordKey(seq)
		c := records(tx).Cursor()
		for k, v := c.Seek(recordKey(first)); k != nil && string(k) < string(end); k, v = c.Next() {
			size += int64(len(v))
			if len(k) == keySize {
				size += recordSize(-sumSize)
			}
		}
		return nil
	})
	return size, err
}

// Reset removes all records durably; the sequence goes on. Appends that run at
// the same time land before it, and are removed, or after it.
func (l *Log) Reset() error {
	outcome := make(chan error, 1)
	l.mu.Lock()
	err := l.failed
	if l.closed {
		err = ErrClosed
	}
	if err == nil {
		l.queues.resets = append(l.queues.resets, outcome)
	}
	l.mu.Unlock()
	if err == nil {
		l.nudge()
		err = <-outcome
	}
	if err != nil {
		return l.wrap("reset", err)
	}
	return nil
}
