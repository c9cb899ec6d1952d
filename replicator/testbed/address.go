package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Addresses are drawn below the range from which systems take the ports of
// outgoing connections. Inside it, a client that redials a stopped server can
// be given the server's own port and end up connected to itself.
const (
	lowestPort  = 10240
	highestPort = 32000
	portTries   = 200
)

// given holds the addresses that this process has handed out: a server that is
// stopped for a while must find its own free.
var given sync.Map

// FreeAddress is a loopback host:port on which nothing listens, another one at
// each call. It is not reserved against other processes: whoever listens first
// has it.
func FreeAddress() (string, error) {
	var errs []error
	for range portTries {
		l, err := listenSomewhere()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			return "", fmt.Errorf("release %s: %w", addr, err)
		}
		if _, again := given.LoadOrStore(addr, true); !again {
			return addr, nil
		}
	}
	return "", fmt.Errorf("find a free loopback port: %w", errors.Join(errs...))
}

// listenSomewhere listens on a random loopback port.
func listenSomewhere() (net.Listener, error) {
	port := lowestPort + rand.IntN(highestPort-lowestPort)
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
