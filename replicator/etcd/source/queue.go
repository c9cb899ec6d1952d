package source

import "sync"

// batchBytes is how much of the queue one batch takes, so that memory is
// given back while the sink still works.
const batchBytes = 1 << 20

// queue holds whole revisions between the stream and the sink. One goroutine
// puts and closes, another takes; size is the sum of what waits and of what
// was taken and is not released yet.
type queue struct {
	max int

	mu       sync.Mutex
	entries  []entry
	size     int
	resolved int64
	closed   bool
	ready    chan struct{} // put, resolve and close send without blocking, take receives; never closed
}

// entry is a revision, or only progress when it has no events.
type entry struct {
	revision Revision
	size     int
	resolved int64
}

func newQueue(max int, resolved int64) *queue {
	return &queue{max: max, resolved: resolved, ready: make(chan struct{}, 1)}
}

// put appends a complete revision of the given size.
func (q *queue) put(r Revision, size int) {
	q.mu.Lock()
	q.entries = append(q.entries, entry{revision: r, size: size, resolved: r.Revision})
	q.size += size
	q.resolved = r.Revision
	q.mu.Unlock()
	q.signal()
}

// resolve notes that everything up to revision is in the queue or was never
// selected.
func (q *queue) resolve(revision int64) {
	q.mu.Lock()
	if revision > q.resolved {
		q.resolved = revision
		if n := len(q.entries); n > 0 {
			q.entries[n-1].resolved = revision
		} else {
			q.entries = append(q.entries, entry{resolved: revision})
		}
	}
	q.mu.Unlock()
	q.signal()
}

// full reports whether the queue has no room for a revision of which open
// bytes have arrived. A revision that is alone always has room: it can only be
// delivered whole.
func (q *queue) full(open int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size > 0 && q.size+open > q.max
}

// end is the revision up to which everything went into the queue.
func (q *queue) end() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resolved
}

// close says that nothing more will be put.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for something to deliver. ok is false when done is closed, or
// when the queue is closed and empty. The caller releases size when the sink
// has returned.
func (q *queue) take(done <-chan struct{}) (b Batch, size int, ok bool) {
	for {
		b, size, ok, closed := q.tryTake()
		if ok || closed {
			return b, size, ok
		}
		select {
		case <-q.ready:
		case <-done:
			return Batch{}, 0, false
		}
	}
}

func (q *queue) tryTake() (b Batch, size int, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for ; n < len(q.entries) && size < batchBytes; n++ {
		e := q.entries[n]
		if len(e.revision.Events) > 0 {
			b.Revisions = append(b.Revisions, e.revision)
		}
		size += e.size
		b.Resolved = e.resolved
	}
	clear(q.entries[:n])
	if q.entries = q.entries[n:]; len(q.entries) == 0 {
		q.entries = nil
	}
	return b, size, n > 0, q.closed
}

// release gives back what take counted.
func (q *queue) release(size int) {
	q.mu.Lock()
	q.size -= size
	q.mu.Unlock()
}
