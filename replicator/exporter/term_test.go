package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/testbed"
)

const (
	// window is how many messages a publisher sends before the hub answers.
	window = 64
	// written is how many frames are to be published.
	written = window + 16
)

// A term that ends while the channel waits for room to publish must not make
// its index durable: the index holds changes by then that are in no frame, and
// the next term, which goes on from the index, would never publish them.
func TestTermEndsWhilePublishing(t *testing.T) {
	b := newBench(t)
	b.put("/apps/first")
	b.firstTerm()
	for i := range written {
		b.put(fmt.Sprintf("/apps/k%03d", i))
	}
	b.brokenOff()
	b.everythingKnownIsPublished()
}

// bench runs single terms of a channel between a real etcd and a real hub.
type bench struct {
	t        *testing.T
	etcd     *testbed.Etcd
	nc       *nats.Conn
	exporter *Exporter
	indexDir string
	channel  *filter.Selection
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, etcd: testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true}), indexDir: t.TempDir()}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Start(t.Context(), hub.Options{DataDir: t.TempDir(), Listen: address, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Stop() })
	b.nc, err = conn.Connect(t.Context(), conn.Options{URLs: []string{h.URL()}, CredentialsFile: h.AdminSeedFile(), Name: "test", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.nc.Close)
	b.channel = selection(t, b.indexDir)
	b.exporter = New(Config{
		Name: "cloud", Instance: "test", DataDir: b.indexDir,
		Heartbeat: time.Minute, // no heartbeat but the first comes in between
		Stream:    jetstream.LogConfig{Source: "cloud", MaxBytes: 256 << 20, MaxAge: time.Hour, Replicas: 1},
	}, b.nc, func(s *filter.Selection) (Source, error) {
		return source.New(b.etcd.Client(), s.SourceRanges(), source.Options{}, logger), nil
	}, nil, logger)
	return b
}

func selection(t *testing.T, dir string) *filter.Selection {
	t.Helper()
	path := filepath.Join(dir, "apps.yaml")
	policy := "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: apps}\nspec:\n  rules:\n    - prefix: /apps/\n"
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	selections, err := filter.Load(path, filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	return selections[0]
}

// put writes a value that fills a frame.
func (b *bench) put(key string) {
	b.t.Helper()
	if _, err := b.etcd.Client().Put(b.t.Context(), key, strings.Repeat(key, frameBytes/len(key)+1)); err != nil {
		b.t.Fatal(err)
	}
}

// open is the channel in a term of its own. shut ends the term.
func (b *bench) open(ctx context.Context) (c *channel, shut func()) {
	b.t.Helper()
	log, err := jetstream.OpenLog(ctx, b.nc, b.exporter.cfg.Stream)
	if err != nil {
		b.t.Fatal(err)
	}
	last, err := log.LastSeq(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	pub := log.NewPublisher(last)
	c = b.exporter.newChannel(line{name: "apps", policy: "apps", selection: b.channel}, log, pub)
	if err := b.exporter.equip(c); err != nil {
		b.t.Fatal(err)
	}
	return c, func() {
		if err := errors.Join(pub.Close(), c.index.close()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// firstTerm makes an index that stands where the source stands.
func (b *bench) firstTerm() {
	b.t.Helper()
	c, shut := b.open(b.t.Context())
	err := c.recover(b.t.Context())
	c.stopWatching()
	if err != nil {
		b.t.Fatal(err)
	}
	shut()
}

// brokenOff is a term that ends while the channel waits for room to publish.
func (b *bench) brokenOff() {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.t.Context(), time.Minute)
	defer end()
	c, shut := b.open(ctx)
	release := b.holdBack(c)
	c.source = &counted{Source: c.source, call: end}
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	<-ctx.Done()
	var err error
	select {
	case err = <-ended:
	case <-time.After(300 * time.Millisecond): // it waits for the hub, to commit
		close(release)
		err = <-ended
		release = nil
	}
	if !errors.Is(err, context.Canceled) {
		b.t.Errorf("the term ended with %v", err)
	}
	if release != nil {
		close(release)
	}
	shut()
}

// holdBack keeps from the publisher that the hub has stored changes, so that it
// soon has no room for more, until the channel that it gives is closed.
func (b *bench) holdBack(c *channel) (release chan struct{}) {
	release = make(chan struct{})
	stored, beyond := c.chain.stored, c.cp.Head.Revision
	c.chain.stored = func(l link) {
		if l.head.Revision > beyond {
			<-release
		}
		stored(l)
	}
	return release
}

// counted calls when the channel has taken more revisions than there is room to
// publish. It cannot come to rest then before it gets room.
type counted struct {
	Source
	revisions int
	call      func()
}

func (s *counted) Watch(ctx context.Context, from int64, sink func(source.Batch) error) error {
	return s.Source.Watch(ctx, from, func(b source.Batch) error {
		if err := sink(b); err != nil {
			return err
		}
		if s.revisions += len(b.Revisions); s.revisions > window {
			s.call()
		}
		return nil
	})
}

// everythingKnownIsPublished compares the keys of the durable index with those
// of the frames on the stream.
func (b *bench) everythingKnownIsPublished() {
	b.t.Helper()
	published := b.published()
	x, cp, err := openIndex(filepath.Join(b.indexDir, "index-apps.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	missing := 0
	err = x.each(change.Range{}, func(key []byte, _ entry) error {
		if !published[string(key)] && string(key) != "/apps/first" { // which the first copy carries
			missing++
		}
		return nil
	})
	if err := errors.Join(err, x.close()); err != nil {
		b.t.Fatal(err)
	}
	if missing > 0 {
		b.t.Errorf("the index at revision %d holds %d keys that no frame carries", cp.Revision, missing)
	}
	if len(published) == 0 || len(published) == written {
		b.t.Errorf("%d of %d keys were published: the term did not end while publishing", len(published), written)
	}
}

func (b *bench) published() map[string]bool {
	b.t.Helper()
	log, err := jetstream.OpenLog(b.t.Context(), b.nc, b.exporter.cfg.Stream)
	if err != nil {
		b.t.Fatal(err)
	}
	last, err := log.LastSeq(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]bool{}
	for seq := uint64(1); seq <= last; seq++ {
		m, found, err := log.At(b.t.Context(), seq)
		if err != nil || !found {
			b.t.Fatalf("message %d: found %v, %v", seq, found, err)
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		if f.Kind != change.KindChanges {
			continue
		}
		raw, err := change.Decompress(f.Body)
		if err != nil {
			b.t.Fatal(err)
		}
		sets, err := change.DecodeChanges(raw)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, s := range sets {
			for _, c := range s.Changes {
				out[string(c.Key)] = true
			}
		}
	}
	return out
}

// The channel of an edge may change while it attaches: it is not fed from the one
// before, which would go on and say that all is well.
func TestEdgeIsNotFedFromAChannelThatItLeft(t *testing.T) {
	b := newBench(t)
	log, err := jetstream.OpenLog(t.Context(), b.nc, b.exporter.cfg.Stream)
	if err != nil {
		t.Fatal(err)
	}
	term := &term{Exporter: b.exporter, log: log, roster: roster{places: map[string]place{"store-1": {channel: "now"}}}}
	for _, channel := range []string{"before", "now"} {
		if err := log.SetConsumer(t.Context(), "store-1", channel, 1, 1); err != nil {
			t.Fatal(err)
		}
		err := term.belongs(t.Context(), "store-1", channel)
		feeds, lerr := log.Feeds(t.Context())
		if lerr != nil {
			t.Fatal(lerr)
		}
		if fed := feeds["store-1"] != ""; fed != (channel == "now") || (err == nil) != fed {
			t.Errorf("attached to channel %s: %v, and fed: %q", channel, err, feeds)
		}
	}
}
