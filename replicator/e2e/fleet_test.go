package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
)

// R10: after an exporter started over, a whole fleet asks it for the digest page
// at once, without attaching to it first. The page is made and published for all
// of them together.
func TestManyEdgesShareOnePage(t *testing.T) {
	t.Parallel()
	const edges = 500
	s := newSite(t)
	s.fill("/apps/", 2000, 10)
	s.startExporter()
	fleet := s.fleet(edges)
	before := s.exporterReport("is active", func(e status.Exporter) bool { return len(e.Channels) == 1 && e.Channels[0].Keys == 2000 })
	began := time.Now()
	asking, ctx := errgroup.WithContext(t.Context())
	for name, nc := range fleet {
		asking.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			_, err := jetstream.Ask(ctx, nc, "cloud", name, jetstream.Request{Channel: "flags", Page: &jetstream.PageRequest{ID: "p-" + name}})
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	pages := func(e status.Exporter) int64 { return e.Channels[0].Pages - before.Channels[0].Pages }
	s.exporterReport("has published a page", func(e status.Exporter) bool { return len(e.Channels) == 1 && pages(e) > 0 })
	beat := s.lastSeq()
	s.until("two more heartbeats", func() bool { return s.lastSeq() > beat+2 })
	after := s.exporterReport("is newer", func(e status.Exporter) bool { return e.Reported.After(before.Reported.Add(2 * s.heartbeat)) })
	// A page waits while more edges ask, for half a second at most: a burst costs
	// one, and two more are left for the pauses of a busy machine.
	if n := pages(after); n > 3+int64(took/(500*time.Millisecond)) {
		t.Errorf("%d edges cost %d pages", edges, n)
	}
	t.Logf("%d edges that ask within %v cost %d pages", edges, took.Round(time.Millisecond), pages(after))
}

// fleet joins edges and connects each with its own key.
func (s *site) fleet(n int) map[string]*nats.Conn {
	s.t.Helper()
	out := make(map[string]*nats.Conn, n)
	for i := range n {
		name := fmt.Sprintf("ship-%03d", i)
		token, _, err := s.hub.Pairs().Create(s.t.Context(), pairing.Offer{Name: name, Source: "cloud", Policy: "flags"})
		if err != nil {
			s.t.Fatal(err)
		}
		key := filepath.Join(s.dir, name+".nk")
		if _, err := pairing.Join(s.t.Context(), pairing.JoinOptions{URL: s.hub.URL(), Token: token.Reveal(), KeyFile: key, Logger: s.logger}); err != nil {
			s.t.Fatal(err)
		}
		nc, err := conn.Connect(s.t.Context(), conn.Options{
			URLs: []string{s.via(nil)}, CredentialsFile: key, Name: name, InboxPrefix: jetstream.InboxPrefix(name),
			JitterMax: time.Millisecond, Logger: s.logger,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(nc.Close)
		out[name] = nc
	}
	return out
}
