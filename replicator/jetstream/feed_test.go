package jetstream_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsstream "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
)

// edge pairs an edge and connects it over the link; reconnected gets one each time
// that it is connected again.
func (w *world) edge(name string) (_ *nats.Conn, reconnected <-chan struct{}) {
	w.t.Helper()
	token, _, err := w.hub.Pairs().Create(soon(w.t), pairing.Offer{Name: name, Source: "cloud", Policy: "flags"})
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "edge.nk")
	if _, err := pairing.Join(soon(w.t), pairing.JoinOptions{URL: w.hub.URL(), Token: token.Reveal(), KeyFile: file}); err != nil {
		w.t.Fatal(err)
	}
	nc, err := conn.Connect(soon(w.t), conn.Options{
		URLs: []string{"nats://" + w.link.Address()}, CredentialsFile: file, Name: "edge",
		InboxPrefix: jetstream.InboxPrefix(name), JitterMax: 10 * time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	again := make(chan struct{}, 8)
	nc.SetReconnectHandler(func(*nats.Conn) { again <- struct{}{} })
	return nc, again
}

// When a link was cut, the hub hands the next message to a pull of the connection
// before, and counts it as delivered. Whatever follows is not handed out without it.
func TestNoMessageIsLostBeforeANewerOne(t *testing.T) {
	w := newWorld(t)
	log := w.direct()
	edge, reconnected := w.edge("store-1")
	admin, err := conn.Connect(soon(t), conn.Options{URLs: []string{w.hub.URL()}, CredentialsFile: w.hub.AdminSeedFile(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	js, err := natsstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(subject, text string) {
		if _, err := js.Publish(soon(t), subject, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.SetConsumer(soon(t), "store-1", "flags", 1, 1); err != nil {
		t.Fatal(err)
	}
	feed, err := jetstream.OpenFeed(soon(t), edge, "cloud", "store-1")
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	publish(subject, "frame 1")
	if got, err := feed.Next(soon(t), time.Minute, 1); err != nil || string(got[0].Data) != "frame 1" {
		t.Fatalf("got %v, %v", got, err)
	}

	w.link.Cut()
	select {
	case <-reconnected:
	case <-soon(t).Done():
		t.Fatal("the edge does not come back")
	}
	publish(jetstream.OrderSubject("cloud", "store-1"), "command")
	publish(subject, "frame 2")
	for _, want := range []string{"command", "frame 2"} {
		got, err := feed.Next(soon(t), time.Minute, 1)
		if errors.Is(err, jetstream.ErrFeedEnded) {
			return // the edge attaches again behind frame 1
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(got[0].Data) != want {
			t.Fatalf("got %q, want %q before it", got[0].Data, want)
		}
	}
}
