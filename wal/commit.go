package wal

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// committer is what only the committing goroutine touches.
type committer struct {
	scratch []byte // stored forms of one commit's records, used again
	size    int64  // of the file's used part after the last commit
	// unsyncedName: the log was renamed into place, but the directory could not
	// be synced. Nothing is acknowledged until it is: after a crash the old file
	// might be back.
	unsyncedName bool
	rewritePause int   // commits to let pass before a rewrite is tried again
	last         error // what kept the last truncations from the disk at Close
}

// work is what one commit does.
type work struct {
	view   state // of the readers when the work was taken
	resets []chan<- error
	batch  []*request
	bytes  int64
}

// commitAll is the committer: one commit after the other while anything waits,
// until the log is closed and nothing does.
func (l *Log) commitAll() {
	defer close(l.done)
	for {
		w, ok := l.nextWork()
		if !ok {
			return
		}
		l.perform(w)
	}
}

func (l *Log) nextWork() (work, bool) {
	for {
		l.mu.Lock()
		w := work{view: l.view, resets: l.queues.resets, batch: l.queues.take()}
		l.queues.resets = nil
		for _, r := range w.batch {
			w.bytes += r.bytes
		}
		flush := l.closed && !l.trimBlocked && l.failed == nil && l.disk.first < l.view.first
		due, closed := len(w.resets) > 0 || len(w.batch) > 0 || l.trimDue() || flush, l.closed
		l.mu.Unlock()
		if due {
			return w, true
		}
		if closed {
			return work{}, false
		}
		<-l.wake
	}
}

// perform commits the work, tells those who wait for it, and rewrites the file
// when that is due.
func (l *Log) perform(w work) {
	stored, err := l.commit(w)
	l.settle(w, stored, err)
	if err == nil {
		l.rewriteIfDue()
	}
}

func (l *Log) commit(w work) (stored state, err error) {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	if failed != nil {
		return state{}, failed
	}
	if err := l.syncName(); err != nil {
		return state{}, err
	}
	err = guard(func() error {
		return update(l.db, func(tx *bbolt.Tx) (err error) {
			stored, err = l.write(tx, w)
			return err
		})
	})
	if err == nil {
		return stored, nil
	}
	err = StorageError(err)
	var broken *panicError
	if errors.As(err, &broken) || errors.Is(err, berrors.ErrInvalidMapping) {
		err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return state{}, err
}

// update is bbolt's Update but for a panic: there bbolt would walk the file on a
// goroutine of its own, and meet the damage again where nobody can recover.
func update(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a Commit, of either outcome, it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.WalCommitBefore)
	if err := tx.Commit(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.WalCommitAfter)
	return nil
}

// settle makes a commit's outcome visible: first to readers, then to those who
// wait for it.
func (l *Log) settle(w work, stored state, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queues.reserved -= w.bytes
	if err != nil {
		l.fail(w, err)
		return
	}
	l.committer.last = nil
	begin := stored.next - w.count()
	if len(w.resets) > 0 {
		l.view.first, l.view.bytes = begin, 0
	}
	l.view.next, l.view.bytes = stored.next, l.view.bytes+w.bytes
	l.disk, l.trimBlocked = stored, false
	l.admit()
	if len(w.batch) > 0 {
		l.announce()
	}
	for _, r := range w.resets {
		r <- nil
	}
	for _, r := range w.batch {
		begin += uint64(len(r.records))
		r.finish(begin-1, nil)
	}
}

// fail ends the work with err. The caller holds mu.
func (l *Log) fail(w work, err error) {
	l.trimBlocked = true
	if l.closed {
		l.committer.last = err
	}
	if errors.Is(err, ErrFailed) {
		l.failed = err
		l.queues.refuse(err)
	}
	for _, r := range w.resets {
		r <- err
	}
	for _, r := range w.batch {
		r.finish(0, err)
	}
	l.admit()
}

func (w work) count() (n uint64) {
	for _, r := range w.batch {
		n += uint64(len(r.records))
	}
	return n
}

// write brings the file from whatever it holds to what the work wants. A commit
// that failed late may have reached the file all the same: its records, which
// nobody was told about, go first.
func (l *Log) write(tx *bbolt.Tx, w work) (state, error) {
	s, err := decodeState(tx.Bucket(headerBucket).Get(stateKey))
	if err != nil {
		return s, err
	}
	if s, err = cut(tx, s, w.view.next); err != nil {
		return s, err
	}
	first := w.view.first
	if len(w.resets) > 0 {
		first = s.next
	}
	if s, err = trim(tx, s, first); err != nil {
		return s, err
	}
	if s, err = l.put(tx, s, w); err != nil {
		return s, err
	}
	l.committer.size = tx.Size()
	return s, putState(tx, s)
}

// cut removes records with a number >= next.
func cut(tx *bbolt.Tx, s state, next uint64) (state, error) {
	b := records(tx)
	for s.next > next {
		size, err := remove(b, s.next-1)
		if err != nil {
			return s, err
		}
		s.next, s.bytes = s.next-1, s.bytes-size
	}
	return s, nil
}

// trim removes records with a number < first: all at once when none is left,
// else a bounded number of them.
func trim(tx *bbolt.Tx, s state, first uint64) (state, error) {
	if first >= s.next {
		return drop(tx, s)
	}
	b := records(tx)
	for n := 0; s.first < first && n < maxTrimRecords; n++ {
		size, err := remove(b, s.first)
		if err != nil {
			return s, err
		}
		s.first, s.bytes = s.first+1, s.bytes-size
	}
	return s, nil
}

func drop(tx *bbolt.Tx, s state) (state, error) {
	if s.count() == 0 {
		return s, nil
	}
	if err := tx.DeleteBucket(recordsBucket); err != nil {
		return s, fmt.Errorf("remove all records: %w", err)
	}
	if _, err := tx.CreateBucket(recordsBucket); err != nil {
		return s, fmt.Errorf("remove all records: %w", err)
	}
	return state{first: s.next, next: s.next}, nil
}

func remove(b *bbolt.Bucket, seq uint64) (size int64, err error) {
	stored, pieces := 0, uint32(0)
	for {
		value := b.Get(pieceKey(seq, pieces))
		if value == nil {
			break
		}
		stored += len(value)
		if err := b.Delete(pieceKey(seq, pieces)); err != nil {
			return 0, fmt.Errorf("remove record %d: %w", seq, err)
		}
		pieces++
	}
	if stored < sumSize {
		return 0, &CorruptError{Seq: seq, Reason: "record is missing"}
	}
	return recordSize(stored - sumSize), nil
}

func (l *Log) put(tx *bbolt.Tx, s state, w work) (state, error) {
	b := records(tx)
	buf := l.committer.space(w.bytes)
	for _, r := range w.batch {
		for _, data := range r.records {
			start := len(buf)
			buf = appendRecord(buf, s.next, data)
			if err := putRecord(b, s.next, buf[start:]); err != nil {
				return s, err
			}
			s.next++
			s.bytes += recordSize(len(data))
		}
	}
	return s, nil
}

// keepScratch is the most memory the committer holds on to between commits.
const keepScratch = 512 << 10

// space is an empty buffer that will not move while n bytes go into it: bbolt
// refers to the values until the commit ends.
func (c *committer) space(n int64) []byte {
	if int64(cap(c.scratch)) >= n {
		return c.scratch[:0]
	}
	buf := make([]byte, 0, n)
	if n <= keepScratch {
		c.scratch = buf
	}
	return buf
}

func (l *Log) syncName() error {
	if !l.committer.unsyncedName {
		return nil
	}
	if err := syncDir(l.path); err != nil {
		return err
	}
	l.committer.unsyncedName = false
	return nil
}
