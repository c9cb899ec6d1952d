package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/testbed"
)

const subject = "syncer.log.cloud.flags"

// world is a hub, and a link in front of it.
type world struct {
	t    *testing.T
	hub  *hub.Hub
	link *testbed.Proxy
}

func newWorld(t *testing.T) *world {
	t.Helper()
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Start(t.Context(), hub.Options{DataDir: t.TempDir(), Listen: address, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, hub: h, link: testbed.NewProxy(t, address)}
}

// log opens the log over an address of the hub.
func (w *world) log(url string) *jetstream.Log {
	w.t.Helper()
	nc, err := conn.Connect(w.t.Context(), conn.Options{
		URLs: []string{url}, CredentialsFile: w.hub.AdminSeedFile(), Name: "test", JitterMax: 10 * time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	log, err := jetstream.OpenLog(w.t.Context(), nc, jetstream.LogConfig{Source: "cloud", MaxBytes: 64 << 20, MaxAge: time.Hour, Replicas: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return log
}

func (w *world) direct() *jetstream.Log { return w.log(w.hub.URL()) }

func (w *world) overTheLink() *jetstream.Log { return w.log("nats://" + w.link.Address()) }

// holds checks what the stream holds, in order.
func (w *world) holds(log *jetstream.Log, want ...string) {
	w.t.Helper()
	last, err := log.LastSeq(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for seq := uint64(1); seq <= last; seq++ {
		m, _, err := log.At(w.t.Context(), seq)
		if err != nil {
			w.t.Fatal(err)
		}
		got = append(got, string(m.Data))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("the stream holds %v, want %v", got, want)
	}
}

// soon bounds a wait that a failing test would never end.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// The hub has stored a message and its acknowledgement is lost. The publisher
// says that it does not know, and whoever reads the tail goes on behind it.
func TestLostAcknowledgement(t *testing.T) {
	w := newWorld(t)
	watcher, publishing := w.direct(), w.overTheLink()
	first := publishing.NewPublisher(0)
	stored := 0
	if err := first.Publish(soon(t), subject, []byte("one"), func(uint64) { stored++ }); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	w.link.CutAfter(testbed.Down, 1)
	if err := first.Publish(soon(t), subject, []byte("two"), func(uint64) { stored++ }); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(soon(t)); !errors.Is(err, jetstream.ErrChainBroken) {
		t.Errorf("a publisher without an answer says %v", err)
	}
	if err := first.Close(); !errors.Is(err, jetstream.ErrChainBroken) {
		t.Errorf("it closes with %v", err)
	}
	if stored != 1 {
		t.Errorf("%d messages were reported as stored, one was acknowledged", stored)
	}
	w.holds(watcher, "one", "two")
	last, err := watcher.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := watcher.NewPublisher(last)
	if err := again.Publish(soon(t), subject, []byte("three"), nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Flush(soon(t)), again.Close()); err != nil {
		t.Fatal(err)
	}
	w.holds(watcher, "one", "two", "three")
}

// Of two publishers that begin at the same place one goes on; of the other not
// one message is stored, however many it has on the way.
func TestTwoPublishersNeverInterleave(t *testing.T) {
	w := newWorld(t)
	log := w.direct()
	a, b := log.NewPublisher(0), w.overTheLink().NewPublisher(0)
	want := make([]string, 50)
	for i := range want {
		want[i] = fmt.Sprint("a", i)
		if err := a.Publish(soon(t), subject, []byte(want[i]), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(a.Flush(soon(t)), a.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := b.Publish(soon(t), subject, fmt.Append(nil, "b", i), nil); err != nil {
			break // it knows already
		}
	}
	err := b.Close()
	var m *jetstream.Mismatch
	if !errors.Is(err, jetstream.ErrChainBroken) || !errors.As(err, &m) || m.Expected != 0 || m.Ends != uint64(len(want)) {
		t.Errorf("the second publisher ends with %v (%+v)", err, m)
	}
	w.holds(log, want...)
}
