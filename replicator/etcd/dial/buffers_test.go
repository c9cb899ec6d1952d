package dial

import (
	"sync"
	"testing"

	"google.golang.org/grpc/mem"
)

func TestBuffersAreUsedAgain(t *testing.T) {
	b := &buffers{BufferPool: mem.NopBufferPool{}}
	first := b.Get(500 << 10)
	if len(*first) != 500<<10 {
		t.Fatalf("asked for %d bytes, got %d", 500<<10, len(*first))
	}
	*first = (*first)[:10]
	b.Put(first)
	if again := b.Get(490 << 10); again != first || len(*again) != 490<<10 {
		t.Errorf("a buffer that was put back is not used for one of %d bytes", 490<<10)
	}
	if other := b.Get(490 << 10); other == first {
		t.Error("one buffer was given twice")
	}
}

func TestBuffersThatAreKeptAreFew(t *testing.T) {
	b := &buffers{BufferPool: mem.NopBufferPool{}}
	for n := range 3 * keptBuffers {
		buf := make([]byte, (n+2)*smallBuffer)
		b.Put(&buf)
	}
	for _, size := range []int{smallBuffer, largeBuffer + 1} {
		buf := make([]byte, size)
		b.Put(&buf)
	}
	if len(b.kept) != keptBuffers {
		t.Fatalf("%d buffers are kept, want %d", len(b.kept), keptBuffers)
	}
	for _, buf := range b.kept {
		if len(*buf) < (3*keptBuffers-keptBuffers+2)*smallBuffer || cap(*buf) > largeBuffer {
			t.Errorf("a buffer of %d bytes is kept, and larger ones are not", cap(*buf))
		}
	}
}

func TestBuffersAreNobodyElses(t *testing.T) {
	b := &buffers{BufferPool: mem.DefaultBufferPool()}
	var users sync.WaitGroup
	for user := range byte(8) {
		users.Go(func() {
			for n := range 200 {
				buf := b.Get(1 << (8 + n%13))
				for i := range *buf {
					(*buf)[i] = user
				}
				for _, got := range *buf {
					if got != user {
						t.Error("two have one buffer")
						return
					}
				}
				b.Put(buf)
			}
		})
	}
	users.Wait()
}

// What is sent takes its memory from there too: gRPC's codec asks for the pool of
// the process, whatever a connection was given.
func TestBuffersAreThoseOfTheProcess(t *testing.T) {
	if _, ours := mem.DefaultBufferPool().(*buffers); !ours {
		t.Errorf("the pool of the process is %T", mem.DefaultBufferPool())
	}
}
