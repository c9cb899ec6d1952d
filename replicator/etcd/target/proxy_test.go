package target

import (
	"net"
	"sync"
	"testing"
)

// proxy stands between a client and an etcd and can lose what passes.
type proxy struct {
	t        testing.TB
	listener net.Listener
	backend  string
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	loseNext direction
	lost     chan struct{} // closed when loseNext came true
}

// direction is what to lose: everything that flows that way, from the first
// piece of data of at least loseFrom bytes on; then the connection breaks.
type direction int

const (
	nothing direction = iota
	requests
	answers
)

// loseFrom tells a large request, on the way there, from the small frames that
// gRPC sends by itself.
const loseFrom = 16 << 10

func newProxy(t testing.TB, endpoint string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: l, backend: endpoint[len("http://"):], conns: make(map[net.Conn]bool)}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// lose arms the proxy; the channel is closed when it has struck.
func (p *proxy) lose(d direction) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseNext, p.lost = d, make(chan struct{})
	return p.lost
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.backend)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.keep(client)
		p.keep(server)
		link := &link{proxy: p, client: client, server: server}
		p.wg.Go(link.forward)
		p.wg.Go(link.back)
	}
}

// link is one connection through the proxy.
type link struct {
	*proxy
	client, server net.Conn

	mu   sync.Mutex
	sent int  // bytes from the client since the proxy was armed
	mute bool // answers are lost from now on
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// forward carries requests. A large request arms the loss of its answer.
func (l *link) forward() {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if n > 0 && !l.pass(buf[:n]) {
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *link) pass(b []byte) bool {
	l.proxy.mu.Lock()
	d := l.loseNext
	l.proxy.mu.Unlock()
	l.mu.Lock()
	if d == nothing {
		l.sent = 0
	} else {
		l.sent += len(b)
	}
	large := l.sent >= loseFrom
	if large && d == answers {
		l.mute = true
	}
	l.mu.Unlock()
	if large && d == requests {
		l.strike()
		return false
	}
	_, err := l.server.Write(b)
	return err == nil
}

// strike reports that the loss happened, once.
func (l *link) strike() {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.loseNext != nothing {
		l.loseNext = nothing
		close(l.lost)
	}
}

// back carries answers until they are to be lost. etcd answers a request while
// it still reads it only with flow control, in frames of 13 bytes, which must
// pass for the request to arrive completely.
func (l *link) back() {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		l.mu.Lock()
		mute := l.mute
		l.mu.Unlock()
		if n > 0 && mute && hasHeaders(buf[:n]) {
			l.strike()
			return
		}
		if n > 0 {
			if _, werr := l.client.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hasHeaders reports whether HTTP/2 frames hold the start of an answer. Small
// answers arrive with whole frames, so the frames can be walked.
func hasHeaders(b []byte) bool {
	for len(b) >= 9 {
		if b[3] == 1 {
			return true
		}
		n := 9 + (int(b[0])<<16 | int(b[1])<<8 | int(b[2]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return false
}
