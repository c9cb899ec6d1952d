package target

import (
	"context"
	"sync"
)

// mostWorkers is how many objects are written at a time.
const mostWorkers = 16

// pace bounds how many requests are out at once. A server that asks for patience
// gets fewer of them, and more again as it copes.
type pace struct {
	busy func() int64

	mu      sync.Mutex
	free    sync.Cond
	limit   int
	running int
	fine    int   // requests since the limit changed
	seen    int64 // answers of a busy server
}

func newPace(busy func() int64) *pace {
	p := &pace{busy: busy, limit: mostWorkers, seen: busy()}
	p.free.L = &p.mu
	return p
}

func (p *pace) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.running >= p.limit {
		p.free.Wait()
	}
	p.running++
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	switch busy := p.busy(); {
	case busy != p.seen:
		p.seen, p.fine, p.limit = busy, 0, max(1, p.limit/2)
	case p.limit < mostWorkers:
		if p.fine++; p.fine >= 4*p.limit {
			p.fine, p.limit = 0, p.limit+1
		}
	}
	p.free.Broadcast()
}

// inFlight are the keys that are being written: what is seen of their objects
// meanwhile may be our own doing.
type inFlight struct {
	mu      sync.Mutex
	keys    map[string]int
	removed chan struct{} // closed and replaced with every remove
}

func newInFlight() *inFlight { return &inFlight{keys: map[string]int{}, removed: make(chan struct{})} }

func (f *inFlight) add(key []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[string(key)]++
}

func (f *inFlight) remove(key []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[string(key)]--; f.keys[string(key)] <= 0 {
		delete(f.keys, string(key))
	}
	close(f.removed)
	f.removed = make(chan struct{})
}

// wait waits until the key is not being written.
func (f *inFlight) wait(ctx context.Context, key []byte) error {
	for {
		f.mu.Lock()
		written, removed := f.keys[string(key)] > 0, f.removed
		f.mu.Unlock()
		if !written {
			return nil
		}
		select {
		case <-removed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (f *inFlight) has(key []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys[string(key)] > 0
}
