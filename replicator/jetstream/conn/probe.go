package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// finding is what stands at an address that does not answer as a hub.
type finding struct {
	kind findingKind
	addr string
}

type findingKind int

const (
	unclear     findingKind = iota
	noHost                  // the name does not resolve
	noListener              // connection refused
	noRoute                 // no answer to the connection attempt
	silent                  // accepts and says nothing
	speaksHTTP              // a web server
	speaksEtcd              // etcd's client port
	speaksTLS               // TLS from the first byte
	speaksOther             // some other protocol
)

// remedy is empty when nothing was found out.
func (f finding) remedy() (cause, try string) {
	port := "check the port: a hub listens on 4222 unless told otherwise"
	switch f.kind {
	case noHost:
		return "the host name is not known", "check the name in " + f.addr
	case noListener:
		return "nothing listens on " + f.addr, "start the hub (syncer hub), or correct the address"
	case noRoute:
		return f.addr + " does not answer", "check the network and the firewall between here and there, and that the host is up"
	case silent:
		return f.addr + " accepts connections but is not a NATS server", port
	case speaksHTTP:
		return "a web server answers on " + f.addr + ", not a NATS server", port
	case speaksEtcd:
		return "an etcd answers on " + f.addr + ", not a NATS server", "give the hub's address here and the etcd's in target.etcd or source.etcd"
	case speaksTLS:
		return f.addr + " speaks TLS at once, as no hub does", port
	case speaksOther:
		return f.addr + " answers, but not as a NATS server", port
	default:
		return "", ""
	}
}

const probeTime = time.Second // for each step; it only runs after a failure

// probe looks at what answers at a hub address.
func probe(ctx context.Context, raw string) finding {
	addr, ok := address(raw)
	if !ok {
		return finding{}
	}
	c, err := (&net.Dialer{Timeout: 2 * probeTime}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return finding{dialFinding(err), addr}
	}
	defer func() { _ = c.Close() }() // nothing is lost with it
	if first := exchange(c, ""); len(first) > 0 {
		return finding{kindOf(first), addr}
	}
	request := fmt.Sprintf("GET /version HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", addr)
	if answer := exchange(c, request); len(answer) > 0 {
		return finding{kindOf(answer), addr}
	}
	return finding{silent, addr}
}

func address(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "nats" && u.Scheme != "tls" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = "4222"
	}
	return net.JoinHostPort(u.Hostname(), port), true
}

func dialFinding(err error) findingKind {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return noHost
	case errors.Is(err, syscall.ECONNREFUSED):
		return noListener
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return noRoute
	default:
		return unclear
	}
}

// exchange sends and gives what comes back within probeTime, or nothing.
func exchange(c net.Conn, send string) []byte {
	if c.SetDeadline(time.Now().Add(probeTime)) != nil {
		return nil
	}
	if _, err := c.Write([]byte(send)); send != "" && err != nil {
		return nil
	}
	buf := make([]byte, 4096)
	n, filled := 0, 0
	var err error
	for err == nil && filled < len(buf) {
		n, err = c.Read(buf[filled:])
		filled += n
		if send == "" && filled > 0 {
			break // a greeting is recognised by its first bytes
		}
	}
	return buf[:filled]
}

func kindOf(b []byte) findingKind {
	switch {
	case bytes.HasPrefix(b, []byte("INFO ")):
		return unclear // it is a NATS server: the cause is another
	case bytes.HasPrefix(b, []byte("HTTP/")) && bytes.Contains(b, []byte(`"etcdserver"`)):
		return speaksEtcd
	case bytes.HasPrefix(b, []byte("HTTP/")):
		return speaksHTTP
	case len(b) > 1 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 0x03:
		return speaksTLS
	default:
		return speaksOther
	}
}

func redact(raw string) string { return strings.TrimSpace(joinURLs([]string{raw})) }
