package workload

import (
	"context"
	"sync"
	"time"
)

// pace gives out the turns of all writers: at even distances under a rate, and
// so many in all.
type pace struct {
	interval time.Duration // 0 is flat out

	mu   sync.Mutex
	next time.Time
	left int // -1 is without end
}

func newPace(rate float64, ops int) *pace {
	p := &pace{left: ops, next: time.Now()}
	if ops <= 0 {
		p.left = -1
	}
	if rate > 0 {
		p.interval = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait returns true when the caller has a turn, false when there is none left
// or the context has ended.
func (p *pace) wait(ctx context.Context) bool {
	turn, ok := p.take()
	if !ok || ctx.Err() != nil {
		return false
	}
	left := time.Until(turn)
	return left <= 0 || pause(ctx, left)
}

// take reserves a turn. Turns missed while the server was away are not made up
// for in a burst, beyond a second's worth.
func (p *pace) take() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return time.Time{}, false
	}
	if p.left > 0 {
		p.left--
	}
	if late := time.Now().Add(-time.Second); p.next.Before(late) {
		p.next = late
	}
	turn := p.next
	p.next = p.next.Add(p.interval)
	return turn, true
}
