package importer

import "sync"

const (
	// mostSpares is how many buffers wait to be used again, maxSpare how large one
	// may be, in bytes: twice what a chunk holds.
	mostSpares = chunkWriters + 1
	maxSpare   = 2 * chunkBytes
)

// spares are buffers that chunks were decompressed in. A first copy would else
// make as much garbage as it copies, on machines with little room for it. Several
// goroutines may use them.
type spares struct {
	mu   sync.Mutex
	free [][]byte
}

// take gives an empty buffer, without room if none waits.
func (s *spares) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil
	}
	last := len(s.free) - 1
	b := s.free[last]
	s.free = s.free[:last]
	return b
}

// give takes a buffer back that nothing refers to.
func (s *spares) give(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < mostSpares && cap(b) <= maxSpare {
		s.free = append(s.free, b[:0])
	}
}
