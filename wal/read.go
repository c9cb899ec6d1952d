package wal

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Read returns records in order, beginning with the first whose number is at
// least from: as many as fit into maxBytes of payload, and at least one if there
// is any. The data are copies. It returns nothing when from is at or beyond
// Next.
//
// Every checksum is checked. Damage gives *CorruptError together with the sound
// records before it; closing and opening the log then repairs it.
func (l *Log) Read(from uint64, maxBytes int) ([]Record, error) {
	j := l.spare.Swap(nil)
	if j == nil {
		j = new(joiner)
	}
	next := l.Next() // before the transaction, which then holds all up to here
	var found []Record
	err := l.inside(func(tx *bbolt.Tx) error {
		first := l.First() // after its begin: all from here on are in it
		var err error
		found, err = collect(tx, j, max(from, first), next, maxBytes)
		for _, r := range found {
			l.touched.Add(recordSize(len(r.Data)))
		}
		return err
	})
	j.open = false
	l.spare.Store(j)
	if err != nil {
		return found, l.wrap(fmt.Sprintf("read from %d", from), err)
	}
	return found, nil
}

func collect(tx *bbolt.Tx, j *joiner, from, next uint64, maxBytes int) (found []Record, err error) {
	size := 0
	err = eachRecord(tx, j, from, next, func(r Record) (bool, error) {
		if size += len(r.Data); size > maxBytes && len(found) > 0 {
			return false, nil
		}
		found = append(found, Record{Seq: r.Seq, Data: bytes.Clone(r.Data)})
		return true, nil
	})
	return found, err
}

// eachRecord visits the records from <= seq < next until visit says to stop.
// Their memory is valid during the visit. The joiner has none open.
func eachRecord(tx *bbolt.Tx, j *joiner, from, next uint64, visit func(Record) (bool, error)) error {
	var (
		expect = from
		more   = true
	)
	pass := func(r Record, ok bool, err error) error {
		if ok && r.Seq != expect {
			return &CorruptError{Seq: expect, Reason: fmt.Sprintf("record is missing, %d follows", r.Seq)}
		}
		if ok {
			expect++
			var failed error
			if more, failed = visit(r); failed != nil || !more {
				return failed
			}
		}
		return err
	}
	c := records(tx).Cursor()
	for k, v := c.Seek(recordKey(from)); k != nil && more && expect < next; k, v = c.Next() {
		if err := pass(j.add(k, v)); err != nil {
			return err
		}
	}
	if !more || expect == next {
		return nil
	}
	if err := pass(j.end()); err != nil {
		return err
	}
	if more && expect < next {
		return &CorruptError{Seq: expect, Reason: "record is missing"}
	}
	return nil
}

// inside runs fn in a read transaction of the current file.
func (l *Log) inside(fn func(*bbolt.Tx) error) error {
	l.swap.RLock()
	defer l.swap.RUnlock()
	if l.db == nil {
		return ErrClosed
	}
	err := guard(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			return l.release(tx)
		})
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return err
}

// releaseBytes is how much reading leaves mapped before it is given back.
const releaseBytes = 512 << 10

// release keeps the pages that reading has touched from adding up: mapped pages
// count as the process's memory, and a large backlog would look like a leak.
// They stay in the system's cache. The transaction keeps the mapping in place.
func (l *Log) release(tx *bbolt.Tx) error {
	if l.touched.Load() < releaseBytes {
		return nil
	}
	l.touched.Store(0)
	return releaseMapping(tx)
}
