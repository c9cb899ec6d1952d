package hub_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// start runs a hub on a free port for the length of the test.
func start(t *testing.T, o hub.Options) *hub.Hub {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	h, err := hub.Start(testContext(t), o)
	if err != nil {
		t.Fatalf("start hub: %v", err)
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Errorf("stop hub: %v", err)
		}
	})
	return h
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// admin connects over the network with the hub's own key.
func admin(t *testing.T, h *hub.Hub) *nats.Conn {
	t.Helper()
	nc, err := conn.Connect(testContext(t), conn.Options{URLs: []string{h.URL()}, CredentialsFile: h.AdminSeedFile(), Name: "admin"})
	if err != nil {
		t.Fatalf("connect as admin: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// client is a connected edge with what it needs to see refusals.
type client struct {
	*nats.Conn
	js         jetstream.JetStream
	violations conn.Violations
	closed     chan error // why the connection was lost
}

// pair creates and joins an edge, and gives its key file.
func pair(t *testing.T, h *hub.Hub, edge string) string {
	t.Helper()
	token, _, err := h.Pairs().Create(testContext(t), pairing.Offer{Name: edge, Source: "cloud", Policy: "flags"})
	if err != nil {
		t.Fatalf("create pair %s: %v", edge, err)
	}
	file := filepath.Join(t.TempDir(), "edge.nk")
	if _, err := pairing.Join(testContext(t), pairing.JoinOptions{URL: h.URL(), Token: token.Reveal(), KeyFile: file}); err != nil {
		t.Fatalf("join %s: %v", edge, err)
	}
	return file
}

// connectEdge connects a paired edge.
func connectEdge(t *testing.T, h *hub.Hub, edge, file string) *client {
	t.Helper()
	c := &client{closed: make(chan error, 8)}
	var err error
	c.Conn, err = conn.Connect(testContext(t), conn.Options{
		URLs: []string{h.URL()}, CredentialsFile: file, Name: edge,
		InboxPrefix: syncstream.InboxPrefix(edge), Violations: &c.violations, JitterMax: time.Millisecond,
	})
	if err != nil {
		t.Fatalf("connect as %s: %v", edge, err)
	}
	t.Cleanup(c.Close)
	c.SetDisconnectErrHandler(func(_ *nats.Conn, err error) { c.closed <- err })
	if c.js, err = jetstream.New(c.Conn); err != nil {
		t.Fatal(err)
	}
	return c
}

// log makes the stream of source cloud, with a consumer for each edge.
func log(t *testing.T, nc *nats.Conn, edges ...string) jetstream.Stream {
	t.Helper()
	ctx := testContext(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "SYNC_cloud", Subjects: []string{"syncer.log.cloud.*", "syncer.edge.cloud.*"}, DenyDelete: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, edge := range edges {
		if _, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: edge, AckPolicy: jetstream.AckAllPolicy}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// publish puts n messages on the log.
func publish(t *testing.T, nc *nats.Conn, n int) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := js.Publish(testContext(t), "syncer.log.cloud.flags", []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
}
