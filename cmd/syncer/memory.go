package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// smallestMemory is the soft memory limit of an importer with few keys, in
// bytes: edges are small machines. It holds what a first copy needs at a time, and
// enough besides that collecting garbage does not become the work.
const smallestMemory = 24 << 20

// dropBusy and dropIdle are how often pages of the binary are given back: a process
// that makes garbage also comes to pages that it needs once.
const (
	dropBusy = 250 * time.Millisecond
	dropIdle = time.Second
)

// keepSmall bounds the memory of this process until ctx is done; stop ends it
// sooner and waits for it. An importer remembers a hash of every key, so a fixed
// limit would have a large channel collect garbage all the time: the limit
// stays a quarter above what is in use. To give pages back costs less than a
// thousandth of a processor each time in a second.
func keepSmall(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		use := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
		for collected := uint64(0); ; {
			dropPages()
			metrics.Read(use)
			debug.SetMemoryLimit(memoryLimit(int64(use[0].Value.Uint64())))
			pause := dropIdle
			if now := use[1].Value.Uint64(); now != collected {
				pause, collected = dropBusy, now
			}
			select {
			case <-time.After(pause):
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
