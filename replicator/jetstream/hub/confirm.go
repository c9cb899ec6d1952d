package hub

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/pairing"
)

// confirmer answers pairing.AppliedSubject: it tells an admin that the gate
// has reached a revision of the registry.
type confirmer struct {
	gate     *gate
	requests chan *nats.Msg // filled by the connection; never closed
	sub      *nats.Subscription
}

func newConfirmer(nc *nats.Conn, g *gate) (*confirmer, error) {
	c := &confirmer{gate: g, requests: make(chan *nats.Msg, 256)}
	var err error
	if c.sub, err = nc.ChanSubscribe(pairing.AppliedSubject, c.requests); err != nil {
		return nil, fmt.Errorf("offer confirmations of the registry: %w", err)
	}
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("offer confirmations of the registry: %w", err)
	}
	return c, nil
}

// run answers until ctx ends. An answer waits for the gate, at most as many at
// a time as fit; more wait in the channel.
func (c *confirmer) run(ctx context.Context) error {
	defer func() { _ = c.sub.Unsubscribe() }() // fails only when the connection is gone
	waiting, ctx := errgroup.WithContext(ctx)
	waiting.SetLimit(64)
	for {
		select {
		case <-ctx.Done():
			_ = waiting.Wait() // ends with ctx, as its cause
			return ctx.Err()
		case m := <-c.requests:
			waiting.Go(func() error { return c.answer(ctx, m) })
		}
	}
}

// answer is nil when ctx ends first, so that one request never ends the others.
func (c *confirmer) answer(ctx context.Context, m *nats.Msg) error {
	want, err := strconv.ParseUint(string(m.Data), 10, 64)
	if err != nil {
		return nil //nolint:nilerr // not from a Registry: it times out, and does not end the others
	}
	for {
		have, moved := c.gate.reached()
		if have >= want {
			_ = m.Respond([]byte("applied")) // fails only when the connection is gone, and the asker with it
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-moved:
		}
	}
}
