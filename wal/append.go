package wal

import (
	"context"
	"fmt"
	"slices"
)

// Append adds the records, in order and as one atomic piece, and returns the
// sequence number of the last. They are on disk when it returns nil. Appends of
// several goroutines share commits; their records never mix. Without records it
// does nothing and returns the number last given out.
//
// While the log is full Append blocks, in the order of arrival, until a
// truncation makes room. When ctx ends before the records are being written,
// nothing is appended and the error is the context's cause; from then on Append
// waits for the outcome, because "perhaps" would help nobody.
//
// Records that together exceed Options.MaxBytes give ErrTooLarge at once. A full
// disk gives ErrNoSpace; the same Append can be tried again. The records are not
// modified, and not kept after the return.
func (l *Log) Append(ctx context.Context, records ...[]byte) (last uint64, err error) {
	r := newRequest(records)
	if len(records) == 0 {
		return l.Next() - 1, nil
	}
	if r.bytes > l.opts.MaxBytes {
		return 0, l.wrap("append", fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, r.bytes, l.opts.MaxBytes))
	}
	if ctx.Err() != nil {
		return 0, l.wrap("append", context.Cause(ctx))
	}
	if err := l.enqueue(r); err != nil {
		return 0, l.wrap("append", err)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if l.withdraw(r) {
			return 0, l.wrap("append", context.Cause(ctx))
		}
		<-r.done
	}
	if r.err != nil {
		return 0, l.wrap("append", r.err)
	}
	return r.last, nil
}

func (l *Log) enqueue(r *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.failed != nil:
		return l.failed
	}
	l.queues.blocked = append(l.queues.blocked, r)
	l.admit()
	return nil
}

// withdraw takes back a request that no commit has picked up yet.
func (l *Log) withdraw(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := l.queues.remove(r)
	l.admit()
	return ok
}

// admit moves blocked requests that fit now to the committer. The caller holds
// mu.
func (l *Log) admit() {
	if l.queues.admit(l.opts.MaxBytes - l.view.bytes) {
		l.nudge()
	}
}

// request is one Append on its way.
type request struct {
	records [][]byte
	bytes   int64
	done    chan struct{} // closed by whoever decides, after last and err are set
	last    uint64
	err     error
}

func newRequest(records [][]byte) *request {
	r := &request{records: records, done: make(chan struct{})}
	for _, data := range records {
		r.bytes += recordSize(len(data))
	}
	return r
}

func (r *request) finish(last uint64, err error) {
	r.last, r.err = last, err
	close(r.done)
}

// queues hold the appends between their call and their commit, in the order of
// arrival.
type queues struct {
	blocked  []*request     // the log has no room for them
	ready    []*request     // room is reserved, the next commit takes them
	reserved int64          // bytes of ready and of the commit that is running
	resets   []chan<- error // callers of Reset; one slot each
}

// admit moves blocked requests to ready while they fit into room, which does not
// count what is reserved.
func (q *queues) admit(room int64) (any bool) {
	for len(q.blocked) > 0 && q.reserved+q.blocked[0].bytes <= room {
		r := q.blocked[0]
		q.blocked = slices.Delete(q.blocked, 0, 1)
		q.ready = append(q.ready, r)
		q.reserved += r.bytes
		any = true
	}
	return any
}

func (q *queues) remove(r *request) bool {
	if i := slices.Index(q.blocked, r); i >= 0 {
		q.blocked = slices.Delete(q.blocked, i, i+1)
		return true
	}
	if i := slices.Index(q.ready, r); i >= 0 {
		q.ready = slices.Delete(q.ready, i, i+1)
		q.reserved -= r.bytes
		return true
	}
	return false
}

// take gives the committer what one commit should carry: at least one request
// if there is any.
func (q *queues) take() (batch []*request) {
	var size int64
	n := 0
	for n < len(q.ready) && (n == 0 || size+q.ready[n].bytes <= maxCommitBytes) {
		size += q.ready[n].bytes
		n++
	}
	batch = slices.Clone(q.ready[:n])
	q.ready = slices.Delete(q.ready, 0, n)
	return batch
}

// refuse ends everything that is not accepted yet.
func (q *queues) refuse(err error) {
	for _, r := range q.blocked {
		r.finish(0, err)
	}
	q.blocked = nil
}
