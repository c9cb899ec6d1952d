package testbed

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A direction of a connection holds at most chunks × chunkBytes: enough for
// 40 MB/s over a round trip of 200 ms.
const (
	chunks     = 256
	chunkBytes = 16 << 10

	receiveBuffer = 256 << 10
)

// connection is one client and the connection to the target made for it.
type connection struct {
	conduct *conduct
	client  net.Conn
	done    chan struct{} // closed by end

	mu     sync.Mutex
	server net.Conn // nil until dialled
	over   bool
}

// chunk is a piece of a stream and when it arrives.
type chunk struct {
	bytes []byte
	due   time.Time
}

func newConnection(client net.Conn, conduct *conduct) *connection {
	narrow(client)
	return &connection{conduct: conduct, client: client, done: make(chan struct{})}
}

// narrow keeps the system from buffering megabytes ahead of a slow link.
func narrow(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(receiveBuffer) // a larger buffer is slower to notice, not wrong
	}
}

// reset ends both halves at once and loses what is on the way.
func (c *connection) reset() { c.end(abort) }

// end ends both halves; the first way to end is the one that counts.
func (c *connection) end(shut func(net.Conn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	close(c.done)
	shut(c.client)
	if c.server != nil {
		shut(c.server)
	}
}

// abort closes with a reset instead of an orderly end, so that the other side
// does not take what it has for everything there was.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a socket that is gone already
	}
	_ = conn.Close()
}

// hangUp closes in good order: what was sent still arrives.
func hangUp(conn net.Conn) { _ = conn.Close() }

// run dials the target and passes bytes until both directions have ended or
// the connection is reset. It owns the goroutines and waits for them.
func (c *connection) run(target string, cut func()) {
	defer c.reset()
	if !c.conduct.wait(c.done) || !c.dial(target) {
		return
	}
	var pipes sync.WaitGroup
	pipes.Go(func() { c.pipe(Up, c.client, c.server, cut) })
	pipes.Go(func() { c.pipe(Down, c.server, c.client, cut) })
	pipes.Wait()
	c.end(hangUp)
}

func (c *connection) dial(target string) bool {
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		return false // the client sees a reset, as it would from the target
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		abort(server)
		return false
	}
	narrow(server)
	c.server = server
	return true
}

// pipe reads in one goroutine and delivers in another, so that a delay does not
// narrow the link.
func (c *connection) pipe(d Direction, from, to net.Conn, cut func()) {
	queue := make(chan chunk, chunks) // closed by the reader
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(queue)
		c.read(d, from, queue)
	})
	c.deliver(d, to, queue, cut)
	reader.Wait()
}

// read takes bytes as fast as the link's rate allows, so that a throttled link
// holds back its sender instead of filling the queue.
func (c *connection) read(d Direction, from net.Conn, queue chan<- chunk) {
	for c.conduct.wait(c.done) {
		buffer := make([]byte, c.conduct.portion())
		n, err := from.Read(buffer)
		if n > 0 && (!c.until(c.conduct.reserve(d, n)) || !c.send(d, queue, buffer[:n])) {
			return
		}
		if err != nil {
			// The end of one direction is orderly; anything else is a reset.
			if !errors.Is(err, io.EOF) {
				c.reset()
			}
			return
		}
	}
}

func (c *connection) send(d Direction, queue chan<- chunk, b []byte) bool {
	for len(b) > 0 {
		n, due := c.conduct.journey(d, len(b))
		select {
		case queue <- chunk{bytes: b[:n], due: due}:
			b = b[n:]
		case <-c.done:
			return false
		}
	}
	return true
}

func (c *connection) deliver(d Direction, to net.Conn, queue <-chan chunk, cut func()) {
	for {
		select {
		case next, more := <-queue:
			if !more {
				closeWrite(to)
				return
			}
			if !c.write(d, to, next, cut) {
				c.reset()
				return
			}
		case <-c.done:
			return
		}
	}
}

// write sends one chunk in its time and reports whether the connection goes on.
func (c *connection) write(d Direction, to net.Conn, next chunk, cut func()) bool {
	if !c.until(next.due) || !c.conduct.wait(c.done) {
		return false
	}
	n, last := c.conduct.take(d, len(next.bytes))
	if _, err := to.Write(next.bytes[:n]); err != nil {
		return false
	}
	if last {
		cut()
	}
	return !last
}

// until waits for a moment; false means that the connection ended first.
func (c *connection) until(t time.Time) bool {
	left := time.Until(t)
	if left <= 0 {
		return true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.done:
		return false
	}
}

func closeWrite(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails only on a socket that is gone already
	}
}
