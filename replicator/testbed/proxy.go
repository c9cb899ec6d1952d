package testbed

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Direction is one way through a proxy.
type Direction int

// The directions: up is from the side that dialled to the target.
const (
	Up Direction = iota
	Down
	directions
)

// Proxy is a TCP link to one target whose quality changes at run time. All
// methods may be called from several goroutines. Each connection holds at most
// 4 MiB per direction.
type Proxy struct {
	listener net.Listener
	target   string
	conduct  *conduct
	running  sync.WaitGroup // the accept loop and every connection

	mu          sync.Mutex
	closed      bool
	connections map[*connection]struct{}
}

// StartProxy listens on a free loopback port and passes connections on to
// target, a host:port that need not be reachable yet.
func StartProxy(target string) (*Proxy, error) {
	var listener net.Listener
	var err error
	for range portTries {
		if listener, err = listenSomewhere(); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start proxy to %s: %w", target, err)
	}
	p := &Proxy{
		listener: listener, target: target, conduct: newConduct(),
		connections: map[*connection]struct{}{},
	}
	p.running.Go(p.accept)
	return p, nil
}

// NewProxy starts a proxy for a test and closes it at the end of the test.
func NewProxy(t TB, target string) *Proxy {
	t.Helper()
	p, err := StartProxy(target)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return p
}

// Address is the host:port that the proxy listens on.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Pass lets everything through: the end of Refuse and BlackHole. Frozen
// connections go on where they stopped, as after a short outage of a network.
func (p *Proxy) Pass() { p.conduct.setMode(passing) }

// Cut resets every connection. New ones are accepted as before.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.connections {
		c.reset()
	}
}

// Refuse resets every connection, and every new one as soon as it is made.
func (p *Proxy) Refuse() {
	p.conduct.setMode(refusing)
	p.Cut()
}

// BlackHole freezes the link: connections stay open and new ones are made, but
// nothing arrives at either end and nobody is told.
func (p *Proxy) BlackHole() { p.conduct.setMode(frozen) }

// Delay makes a round trip take at least rtt; half of it in each direction.
func (p *Proxy) Delay(rtt time.Duration) { p.conduct.setDelay(rtt / 2) }

// Lose loses a share of the packets, from 0 to below 1, as TCP shows it to its
// user: nothing is missing, but a lost packet and all behind it on the same
// connection arrive one more round trip late. That sender and receiver slow
// down on loss is not part of it: on such a link TCP carries less.
func (p *Proxy) Lose(share float64) { p.conduct.setLoss(share) }

// Throttle bounds each direction to so many bytes per second over all
// connections together; 0 is no bound.
func (p *Proxy) Throttle(bytesPerSecond int64) { p.conduct.setRate(bytesPerSecond) }

// CutAfter lets n more bytes pass in a direction and then cuts, in the middle
// of a message if it comes so. It acts once. What passed last may be lost with
// the reset.
func (p *Proxy) CutAfter(d Direction, n int64) { p.conduct.allow(d, n) }

// Passed is how many bytes went through so far, in each direction.
func (p *Proxy) Passed() (up, down int64) { return p.conduct.counts() }

// Connections is how many connections are open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.connections)
}

// Close stops listening, resets every connection and waits until all is gone.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close proxy to %s: %w", p.target, err)
	}
	return nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed: a loopback listener has no other way to fail for good
		}
		if c, ok := p.admit(client); ok {
			p.running.Go(func() {
				c.run(p.target, p.Cut)
				p.forget(c)
			})
		}
	}
}

// admit registers a new connection, unless the proxy is closing.
func (p *Proxy) admit(client net.Conn) (*connection, bool) {
	c := newConnection(client, p.conduct)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.conduct.refuses() {
		c.reset()
		return nil, false
	}
	p.connections[c] = struct{}{}
	return c, true
}

func (p *Proxy) forget(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.connections, c)
}
