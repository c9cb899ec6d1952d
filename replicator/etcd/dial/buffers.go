package dial

import (
	"slices"
	"sync"

	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
)

// The pool is the process's: that of a connection is not asked for what is sent.
func init() { experimental.SetDefaultBufferPool(&buffers{BufferPool: mem.DefaultBufferPool()}) }

const (
	smallBuffer = 32 << 10 // up to here gRPC's own pool has sizes that fit
	largeBuffer = 1 << 20
	keptBuffers = 4
)

// buffers are what messages are put together in. gRPC's own pool has nothing
// between 32 KiB and 1 MiB, and each garbage collection empties it: in a small
// process, which collects often, each of our transactions takes, and clears, 1 MiB
// anew. A few buffers of those sizes are kept, of at most 1 MiB each.
type buffers struct {
	mem.BufferPool

	mu   sync.Mutex
	kept []*[]byte
}

// Get implements mem.BufferPool. What the buffer holds is undefined.
func (b *buffers) Get(length int) *[]byte {
	if length <= smallBuffer || length > largeBuffer {
		return b.BufferPool.Get(length)
	}
	b.mu.Lock()
	i := slices.IndexFunc(b.kept, func(buf *[]byte) bool { return cap(*buf) >= length })
	if i < 0 {
		b.mu.Unlock()
		room := (length + smallBuffer - 1) / smallBuffer * smallBuffer // messages of about this size follow
		buf := make([]byte, length, room)
		return &buf
	}
	buf := b.kept[i]
	b.kept = slices.Delete(b.kept, i, i+1)
	b.mu.Unlock()
	*buf = (*buf)[:length]
	return buf
}

// Put implements mem.BufferPool. When there are enough, the smallest is dropped.
func (b *buffers) Put(buf *[]byte) {
	if cap(*buf) <= smallBuffer || cap(*buf) > largeBuffer {
		b.BufferPool.Put(buf)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept = append(b.kept, buf); len(b.kept) > keptBuffers {
		i := 0
		for j := range b.kept {
			if cap(*b.kept[j]) < cap(*b.kept[i]) {
				i = j
			}
		}
		b.kept = slices.Delete(b.kept, i, i+1)
	}
}
