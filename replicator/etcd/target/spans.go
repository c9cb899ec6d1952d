package target

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/status"
)

// singly is what a target remembers that writes key by key.
type singly struct {
	spans   spans
	writing sync.RWMutex     // held for reading while a write has no answer yet
	seen    atomic.Int64     // the newest revision of the server that an answer told
	told    atomic.Int64     // up to where Watch has told of others; 0 while nobody watches
	last    Cursor           // as the server holds it
	marks   chan *commitMark // that are free
}

func (s *singly) stands(c Cursor) { s.last = c }

func (s *singly) saw(revision int64) {
	for {
		seen := s.seen.Load()
		if revision <= seen || s.seen.CompareAndSwap(seen, revision) {
			return
		}
	}
}

// mostSpans bounds the memory of spans to a megabyte.
const mostSpans = 1 << 16

// spans are the revisions that we wrote. They follow each other closely, unless
// others write as well. The oldest are forgotten when they are too many; what is
// forgotten is taken for a write of somebody else, and compared.
type spans struct {
	mu   sync.Mutex
	list []span // in order, not touching
}

type span struct{ first, last int64 }

func (s *spans) add(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.find(revision)
	if found {
		return
	}
	joins := i < len(s.list) && s.list[i].first == revision+1
	follows := i > 0 && s.list[i-1].last == revision-1
	switch {
	case joins && follows:
		s.list[i-1].last = s.list[i].last
		s.list = slices.Delete(s.list, i, i+1)
	case joins:
		s.list[i].first = revision
	case follows:
		s.list[i-1].last = revision
	default:
		s.list = slices.Insert(s.list, i, span{revision, revision})
	}
	if len(s.list) > mostSpans {
		s.list = slices.Delete(s.list, 0, mostSpans/2)
	}
}

func (s *spans) has(revision int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.find(revision)
	return found
}

// find is the place of the span that a revision lies in, or would.
func (s *spans) find(revision int64) (int, bool) {
	return slices.BinarySearchFunc(s.list, revision, func(p span, revision int64) int {
		switch {
		case p.last < revision:
			return -1
		case p.first > revision:
			return 1
		default:
			return 0
		}
	})
}

// readable are the parts of ranges that the server can be asked about.
func (t *Target) readable(ranges []change.Range) []change.Range {
	if t.single == nil {
		return ranges
	}
	var out []change.Range
	for _, r := range ranges {
		if !r.Empty() {
			out = append(out, t.single.Readable(r)...)
		}
	}
	return out
}

func (t *Target) unfitFor(key []byte) string {
	if t.single == nil || len(key) == 0 {
		return ""
	}
	return t.single.Unfit(key)
}

// largeSingle finds the changes that are too large to be written.
func (t *Target) largeSingle(changes []change.Change) (large []Refused, rest []change.Change) {
	for _, c := range changes {
		if n := t.needs(c); n > t.limits.MaxBytes {
			large = append(large, Refused{Key: c.Key, Why: status.TooLarge, Err: tooLargeFor(n, t.limits.MaxBytes, 1)})
		} else {
			rest = append(rest, c)
		}
	}
	return large, rest
}
