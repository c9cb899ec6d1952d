package source

import (
	"cmp"
	"context"
	"slices"
	"sync"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

// batchBytes is how much one batch takes, so that memory is given back while the
// sink still works.
const batchBytes = 1 << 20

// merge brings the lanes of a watch into the one order of revisions. Each lane is
// one goroutine that puts; one more takes.
type merge struct {
	max int

	mu     sync.Mutex
	lanes  []laneState
	ready  []entry // at or below done, by revision
	size   int     // of all events held, and of those that were taken and are not released
	done   int64   // what all lanes have passed
	told   int64   // of that, what the sink was told
	target int64   // what somebody waits for
	heard  bool    // a lane was heard since the last batch

	waiting chan struct{} // something may be taken; never closed
	room    chan struct{} // closed and made anew when a lane may put again
}

// laneState is what one lane has brought.
type laneState struct {
	passed int64 // no event of the lane at or below it will still come
	events []entry
	hurry  chan struct{} // target is ahead of the lane; never closed
}

type entry struct {
	event etcd.Event
	size  int
}

func newMerge(lanes int, maxBytes int, passed int64) *merge {
	m := &merge{max: maxBytes, done: passed, told: passed, waiting: make(chan struct{}, 1), room: make(chan struct{})}
	for range lanes {
		m.lanes = append(m.lanes, laneState{passed: passed, hurry: make(chan struct{}, 1)})
	}
	return m
}

// put takes an event of a lane. It waits while there is no room, unless
// everything else waits for this lane.
func (m *merge) put(ctx context.Context, lane int, e etcd.Event, size int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &m.lanes[lane]
	for m.size > 0 && m.size+size > m.max && (len(m.ready) > 0 || l.passed > m.done) {
		room := m.room
		m.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		m.mu.Lock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if e.ModRevision <= l.passed {
		return errLate
	}
	// More of the same revision may follow.
	l.passed = max(l.passed, e.ModRevision-1)
	l.events = append(l.events, entry{event: e, size: size})
	m.size += size
	m.heard = true
	m.advance()
	m.wantLocked(e.ModRevision)
	return nil
}

// pass notes that a lane has brought everything up to a revision.
func (m *merge) pass(lane int, revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &m.lanes[lane]
	l.passed = max(l.passed, revision)
	m.heard = true
	m.advance()
}

// reopen gives the revision behind which a lane goes on. What the lane has
// brought above it is forgotten: it comes again.
func (m *merge) reopen(lane int) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &m.lanes[lane]
	for n := len(l.events); n > 0 && l.events[n-1].event.ModRevision > l.passed; n-- {
		m.size -= l.events[n-1].size
		l.events = slices.Delete(l.events, n-1, n)
	}
	m.wake()
	return l.passed
}

// want has the lanes find out whether they have passed a revision.
func (m *merge) want(revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wantLocked(revision)
}

func (m *merge) wantLocked(revision int64) {
	m.target = max(m.target, revision)
	for i := range m.lanes {
		if l := &m.lanes[i]; l.passed < m.target {
			signal(l.hurry)
		}
	}
}

// behind reports whether somebody waits for a lane.
func (m *merge) behind(lane int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lanes[lane].passed < m.target
}

// advance moves what all lanes have passed to ready.
func (m *merge) advance() {
	done := m.lanes[0].passed
	for i := range m.lanes {
		done = min(done, m.lanes[i].passed)
	}
	if done > m.done {
		m.done = done
		from := len(m.ready)
		for i := range m.lanes {
			m.ready = append(m.ready, m.lanes[i].shift(done)...)
		}
		slices.SortStableFunc(m.ready[from:], func(a, b entry) int { return cmp.Compare(a.event.ModRevision, b.event.ModRevision) })
		m.wake()
	}
	signal(m.waiting)
}

// shift takes the events up to a revision out of the lane.
func (l *laneState) shift(upto int64) []entry {
	n := 0
	for n < len(l.events) && l.events[n].event.ModRevision <= upto {
		n++
	}
	out := l.events[:n:n]
	l.events = slices.Clone(l.events[n:])
	return out
}

// wake has every lane look for room.
func (m *merge) wake() {
	close(m.room)
	m.room = make(chan struct{})
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take waits for something to tell the sink, also for mere signs of life. ok is
// false at the end of ctx. The caller releases size when the sink has returned.
func (m *merge) take(ctx context.Context) (b etcd.Batch, size int, ok bool) {
	for {
		if b, size, ok = m.tryTake(); ok {
			return b, size, true
		}
		select {
		case <-m.waiting:
		case <-ctx.Done():
			return etcd.Batch{}, 0, false
		}
	}
}

func (m *merge) tryTake() (b etcd.Batch, size int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for ; n < len(m.ready); n++ {
		e := m.ready[n]
		last := len(b.Revisions) - 1
		same := last >= 0 && b.Revisions[last].Revision == e.event.ModRevision
		if !same && size >= batchBytes {
			break
		}
		if !same {
			b.Revisions = append(b.Revisions, etcd.Revision{Revision: e.event.ModRevision})
			last++
		}
		b.Revisions[last].Events = append(b.Revisions[last].Events, e.event)
		size += e.size
	}
	b.Resolved = m.done
	if n < len(m.ready) {
		b.Resolved = b.Revisions[len(b.Revisions)-1].Revision
		signal(m.waiting)
	}
	clear(m.ready[:n])
	if m.ready = m.ready[n:]; len(m.ready) == 0 {
		m.ready = nil
	}
	ok = n > 0 || b.Resolved > m.told || m.heard
	m.told, m.heard = b.Resolved, false
	return b, size, ok
}

// release gives back what take counted.
func (m *merge) release(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size -= size
	m.wake()
}
