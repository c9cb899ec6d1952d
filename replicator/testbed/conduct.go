package testbed

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

type mode int

const (
	passing mode = iota
	refusing
	frozen
)

// conduct is how a link behaves at the moment, shared by its connections.
type conduct struct {
	mu      sync.Mutex
	mode    mode
	delay   time.Duration // one way
	loss    float64       // share of the segments
	rate    int64         // bytes per second and direction; 0 is no bound
	lanes   [directions]lane
	changed chan struct{} // closed and replaced when the mode changes
}

// lane is the state of one direction.
type lane struct {
	intact  int // segments until one is lost; means nothing without loss
	passed  int64
	allowed int64     // bytes until the cut
	free    time.Time // when the next byte may leave under the rate
}

func newConduct() *conduct {
	c := &conduct{changed: make(chan struct{})}
	for d := range c.lanes {
		c.lanes[d].allowed = math.MaxInt64
	}
	return c
}

func (c *conduct) setMode(m mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *conduct) setDelay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

func (c *conduct) setRate(r int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = max(r, 0)
	for d := range c.lanes {
		c.lanes[d].free = time.Time{}
	}
}

func (c *conduct) allow(d Direction, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes[d].allowed = n
}

func (c *conduct) counts() (up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lanes[Up].passed, c.lanes[Down].passed
}

func (c *conduct) refuses() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode == refusing
}

// journey is how many of n bytes that arrive now travel together, and when they
// reach the other end. A lost segment arrives one round trip later than it
// would have, when its sender has learnt of it and sent it again; what follows
// on the same connection waits for it.
func (c *conduct) journey(d Direction, n int) (together int, due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due = time.Now().Add(c.delay)
	if c.loss == 0 {
		return n, due
	}
	l := &c.lanes[d]
	if l.intact == 0 {
		l.intact = untilLost(c.loss)
		return min(n, segmentBytes), due.Add(2 * c.delay)
	}
	together = min(n, l.intact*segmentBytes)
	l.intact -= (together + segmentBytes - 1) / segmentBytes
	return together, due
}

// segmentBytes is what one packet carries, about.
const segmentBytes = 1400

func (c *conduct) setLoss(share float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loss = share
	for d := range c.lanes {
		c.lanes[d].intact = untilLost(share)
	}
}

// untilLost draws how many segments arrive before one is lost, when each is
// lost with the same probability.
func untilLost(share float64) int {
	if share <= 0 || share >= 1 {
		return 0
	}
	return int(math.Log(1-rand.Float64()) / math.Log(1-share))
}

// reserve takes a place for n bytes on the link and says when it comes.
func (c *conduct) reserve(d Direction, n int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.rate == 0 {
		return now
	}
	l := &c.lanes[d]
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / float64(c.rate) * float64(time.Second)))
	return l.free
}

// portion is how much to read at once: no more than the link carries in a
// twentieth of a second.
func (c *conduct) portion() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rate == 0 {
		return chunkBytes
	}
	return int(min(chunkBytes, max(c.rate/20, 64)))
}

// take counts n bytes as passed, or as many as may still pass before the cut.
// The cut acts once: whoever is told that it took the last byte must make it.
func (c *conduct) take(d Direction, n int) (taken int, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lanes[d]
	if last = int64(n) >= l.allowed; last {
		n = int(l.allowed)
		l.allowed = math.MaxInt64
	} else if l.allowed != math.MaxInt64 {
		l.allowed -= int64(n)
	}
	l.passed += int64(n)
	return n, last
}

// wait returns true when the link passes bytes, false when done is closed
// first.
func (c *conduct) wait(done <-chan struct{}) bool {
	for {
		c.mu.Lock()
		open, changed := c.mode == passing, c.changed
		c.mu.Unlock()
		if open {
			return true
		}
		select {
		case <-changed:
		case <-done:
			return false
		}
	}
}
