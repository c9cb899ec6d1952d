package source

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// The sink stands still until everything is written, then looks at the heap
// each time it is called. The server is another process, so the heap is that
// of the source. A watch of clientv3 would hold all 128 MiB.
func TestSlowSinkHoldsABoundedHeap(t *testing.T) {
	const (
		bound   = 8 << 20
		value   = 64 << 10
		writers = 8
		each    = 256
	)
	e := testbed.NewEtcdProcess(t, testbed.EtcdConfig{Fast: true, CatchUpEntries: 10})
	first := put(t, e.Client(), "a/", "")
	before := heap()
	written := make(chan struct{})
	var peak uint64
	var bytes, count int
	next := first
	ctx, cancel := context.WithCancel(testContext(t))
	ended := make(chan error, 1)
	last := first + writers*each
	s := newTestSource(e.Client(), Options{MaxBytes: bound}, "a/")
	go func() {
		ended <- s.Watch(ctx, first, func(b Batch) error {
			<-written
			for _, r := range b.Revisions {
				if r.Revision != next || len(r.Events) != 1 {
					return fmt.Errorf("revision %d with %d events instead of %d with one", r.Revision, len(r.Events), next)
				}
				next++
				count++
				bytes += len(r.Events[0].Value)
			}
			peak = max(peak, heap())
			if b.Resolved >= last {
				cancel()
			}
			return nil
		})
	}()
	var wg sync.WaitGroup
	text := strings.Repeat("v", value)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := e.Client().Put(ctx, fmt.Sprintf("a/%d/%d", w, i%7), text); err != nil {
					t.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(written)
	if err := <-ended; ctx.Err() == nil || count != writers*each+1 {
		t.Fatalf("got %d revisions of %d: %v", count, writers*each+1, err)
	}
	used := int64(peak) - int64(before)
	t.Logf("%d MiB passed, heap grew by at most %d KiB", bytes>>20, used>>10)
	// gRPC adds a receive window of at most 16 MiB and the message in work.
	if limit := int64(bound + 20<<20); used > limit {
		t.Errorf("heap grew by %d bytes, limit %d", used, limit)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
