package testbed

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

// caller opens connections through a proxy in front of an echo server.
type caller struct {
	*testing.T
	proxy *Proxy
}

func newCaller(t *testing.T) caller { return caller{t, NewProxy(t, echo(t))} }

func (c caller) dial() net.Conn {
	c.Helper()
	conn, err := net.Dial("tcp", c.proxy.Address())
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c caller) roundTrip(conn net.Conn, text string) time.Duration {
	c.Helper()
	start := time.Now()
	if _, err := io.WriteString(conn, text); err != nil {
		c.Fatalf("send: %v", err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		c.Fatalf("receive: %v", err)
	}
	if string(got) != text {
		c.Fatalf("sent %q, got %q", text, got)
	}
	return time.Since(start)
}

func (c caller) expectSilence(conn net.Conn) {
	c.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("a frozen link gave %v", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
}

func (c caller) expectEnd(conn net.Conn) {
	c.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatal("the connection is still open")
	}
}

func TestProxyPassesAndCounts(t *testing.T) {
	c := newCaller(t)
	c.roundTrip(c.dial(), "hello")
	if up, down := c.proxy.Passed(); up != 5 || down != 5 {
		t.Errorf("passed %d up and %d down, want 5 and 5", up, down)
	}
}

func TestProxyPassesTheEndOfOneDirection(t *testing.T) {
	conn := newCaller(t).dial()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var writer sync.WaitGroup
	writer.Go(func() {
		_, _ = conn.Write(sent)
		closeWrite(conn)
	})
	got, err := io.ReadAll(conn)
	writer.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d of %d bytes: %v", len(got), len(sent), err)
	}
}

func TestProxyCutEndsConnectionsAndTakesNewOnes(t *testing.T) {
	c := newCaller(t)
	conn := c.dial()
	c.roundTrip(conn, "a")
	c.proxy.Cut()
	c.expectEnd(conn)
	c.roundTrip(c.dial(), "b")
}

func TestProxyRefusesUntilPass(t *testing.T) {
	c := newCaller(t)
	conn := c.dial()
	c.roundTrip(conn, "a")
	c.proxy.Refuse()
	c.expectEnd(conn)
	// The reset may come before the caller knows that it was connected.
	if refused, err := net.Dial("tcp", c.proxy.Address()); err == nil {
		c.Cleanup(func() { _ = refused.Close() })
		c.expectEnd(refused)
	}
	c.proxy.Pass()
	c.roundTrip(c.dial(), "b")
}

func TestProxyBlackHoleFreezesAndResumes(t *testing.T) {
	c := newCaller(t)
	old := c.dial()
	c.roundTrip(old, "a")
	c.proxy.BlackHole()
	fresh := c.dial()
	for _, conn := range []net.Conn{old, fresh} {
		if _, err := io.WriteString(conn, "b"); err != nil {
			t.Fatal(err)
		}
		c.expectSilence(conn)
	}
	c.proxy.Pass()
	for _, conn := range []net.Conn{old, fresh} {
		got := make([]byte, 1)
		if _, err := io.ReadFull(conn, got); err != nil || got[0] != 'b' {
			t.Fatalf("after the outage: %q, %v", got, err)
		}
	}
}

func TestProxyDelaysARoundTrip(t *testing.T) {
	c := newCaller(t)
	conn := c.dial()
	c.proxy.Delay(80 * time.Millisecond)
	if took := c.roundTrip(conn, "a"); took < 80*time.Millisecond {
		t.Errorf("a round trip took %s", took)
	}
}

func TestProxyThrottles(t *testing.T) {
	c := newCaller(t)
	conn := c.dial()
	c.proxy.Throttle(100_000)
	if took := c.roundTrip(conn, string(make([]byte, 20_000))); took < 150*time.Millisecond {
		t.Errorf("20 kB over 100 kB/s took %s", took)
	}
}

func TestProxyCutsAfterSoManyBytes(t *testing.T) {
	c := newCaller(t)
	for _, allowed := range []int64{0, 3, 5} {
		conn := c.dial()
		before, _ := c.proxy.Passed()
		c.proxy.CutAfter(Up, allowed)
		if _, err := io.WriteString(conn, "hello"); err != nil {
			t.Fatal(err)
		}
		c.expectEnd(conn)
		if after, _ := c.proxy.Passed(); after-before != allowed {
			t.Errorf("%d bytes passed, want %d", after-before, allowed)
		}
	}
	c.roundTrip(c.dial(), "again")
}

func TestProxyCloseEndsFrozenConnections(t *testing.T) {
	c := newCaller(t)
	conn := c.dial()
	c.proxy.BlackHole()
	if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
		t.Fatal(err)
	}
	if err := c.proxy.Close(); err != nil {
		t.Fatal(err)
	}
	c.expectEnd(conn)
	if n := c.proxy.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
