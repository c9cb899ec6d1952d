package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// smallestMemory is the soft memory limit of an importer with few keys, in
// bytes: edges are small machines. It holds what a first copy needs at a time.
const smallestMemory = 20 << 20

// keepSmall bounds the memory of this process until ctx is done; stop ends it
// sooner and waits for it. An importer remembers a hash of every key, so a fixed
// limit would have a large channel collect garbage all the time: the limit
// stays a quarter above what is in use. Pages of the binary that were used once
// are given back each second; that costs less than a thousandth of a processor.
func keepSmall(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		use := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			dropPages()
			metrics.Read(use)
			debug.SetMemoryLimit(memoryLimit(int64(use[0].Value.Uint64())))
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		keeping.Wait()
	}
}

// memoryLimit is the limit while so many bytes were in use at the end of the
// newest garbage collection.
func memoryLimit(live int64) int64 { return max(smallestMemory, live+live/4+4<<20) }
