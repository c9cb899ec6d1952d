package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/config"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// The hub stores what was published, and its acknowledgement is lost: the
// exporter reads the tail and goes on behind it, and nothing is there twice.
func TestAcknowledgementIsLost(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t, withLinks)
	s.under(gentle(), func() {
		for range 5 {
			_, before := s.cloudLink.Passed()
			s.cloudLink.CutAfter(testbed.Down, 1) // within the next acknowledgement
			s.until("the link is cut", func() bool { _, now := s.cloudLink.Passed(); return now > before })
			s.goesOn()
		}
	})
	s.settle()
	s.oneChain()
	s.check(tr)
}

// Two exporters that start at the same moment never interleave, whoever is
// first.
func TestTwoExportersStartTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.startImporter()
	s.under(gentle(), func() {
		for range 4 {
			stopSecond, stopFirst := s.second(), s.startExporter()
			s.goesOn()
			stopFirst()
			stopSecond()
		}
	})
	s.second()
	s.startExporter()
	s.settle()
	s.oneChain()
	s.check(tr)
}

// damageStream flips bytes in the middle of what a stopped nats-server holds of
// the log stream.
func (s *site) damageStream(storeDir string) {
	s.t.Helper()
	blocks, err := filepath.Glob(filepath.Join(storeDir, "*", "*", "streams", syncstream.Stream("cloud"), "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		s.t.Fatalf("no blocks of the stream below %s (%v)", storeDir, err)
	}
	raw, err := os.ReadFile(blocks[0])
	if err != nil {
		s.t.Fatal(err)
	}
	for i := len(raw) / 2; i < min(len(raw)/2+4096, len(raw)); i++ {
		raw[i] ^= 0x55
	}
	if err := os.WriteFile(blocks[0], raw, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func TestHubStoreIsDamaged(t *testing.T) {
	t.Parallel()
	for name, who := range whoIsAway {
		t.Run(name, func(t *testing.T) {
			s, tr, d := runningSite(t)
			s.while(who, d, func() {
				s.stopHub()
				s.damageStream(s.hubDir())
				s.startHub()
			})
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// One node of three comes back with a damaged store and becomes the leader
// while an edge still has to read what was damaged.
func TestDamagedNodeBecomesLeader(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withCluster)
	s.whole()
	d.stopImporter()
	s.load(t.Context(), workload.Load{Ops: 300})
	at := s.lastSelected()
	s.exporterReport("has published everything", func(e status.Exporter) bool { return e.SourceRevision >= at })
	leader := s.leads()
	var n *testbed.HubNode
	for _, other := range s.cluster.Nodes() {
		if other != leader {
			n = other
		}
	}
	s.do(n.Kill)
	s.damageStream(filepath.Join(s.dir, "cluster", n.Name))
	s.rejoins(n)
	s.await("have "+n.Name+" lead", func() error {
		if s.leads() == n {
			return nil
		}
		err := s.cluster.HandOver(t.Context(), s.admin, syncstream.Stream("cloud"), n)
		return errors.Join(err, errors.New("it does not lead yet"))
	})
	s.startImporter()
	s.settle()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}

// consumerLosses are what can become of an edge's consumer at the hub.
var consumerLosses = map[string]func(*site){
	"deleted": func(s *site) {
		s.until("the consumer is there to be deleted", func() bool {
			err := s.stream().DeleteConsumer(s.t.Context(), "store-1")
			if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				s.t.Fatal(err)
			}
			return err == nil
		})
	},
	"ahead of the stream": func(s *site) { s.resetConsumer(s.lastSeq() + 500) },
	"set back": func(s *site) {
		s.until("the consumer is there to be set back", func() bool {
			c, err := s.stream().Consumer(s.t.Context(), "store-1")
			if err != nil {
				return false
			}
			s.resetConsumer(c.CachedInfo().Config.OptStartSeq)
			return true
		})
	},
}

func (s *site) resetConsumer(seq uint64) {
	s.t.Helper()
	if _, err := s.stream().ResetConsumerToSequence(s.t.Context(), "store-1", seq); err != nil {
		s.t.Fatal(err)
	}
}

// The edge goes by its own cursor, whatever the hub believes that it has read.
func TestConsumerStateIsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range consumerLosses {
		t.Run(name, func(t *testing.T) {
			s, tr, _ := runningSite(t)
			s.under(gentle(), func() {
				for range 3 {
					lose(s)
					s.goesOn()
				}
			})
			s.settle()
			s.check(tr)
		})
	}
}

// Frames come again, in no order, among new ones.
func TestMessagesComeTwiceAndOutOfOrder(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.load(t.Context(), workload.Load{Ops: 100})
	before := s.settle()
	s.under(gentle(), func() {
		for range 2 {
			old := s.newestMessages(8)
			rand.Shuffle(len(old), func(i, j int) { old[i], old[j] = old[j], old[i] })
			for _, data := range append(old, old...) {
				s.publishForeign(data)
			}
			s.goesOn()
		}
	})
	after := s.settle()
	if after.Replayed == before.Replayed {
		t.Errorf("no old frame reached the edge: %+v", after)
	}
	s.check(tr)
}

// newestMessages is what the log subject carried last.
func (s *site) newestMessages(n int) (data [][]byte) {
	s.t.Helper()
	stream, subject := s.stream(), syncstream.LogSubject("cloud", "flags")
	for seq := s.lastSeq(); seq > 0 && len(data) < n; seq-- {
		m, err := stream.GetMsg(s.t.Context(), seq)
		if err == nil && m.Subject == subject {
			data = append(data, m.Data)
		}
	}
	return data
}

func (s *site) publishForeign(data []byte) {
	s.t.Helper()
	if _, err := s.jetstream().Publish(s.t.Context(), syncstream.LogSubject("cloud", "flags"), data); err != nil {
		s.t.Fatal(err)
	}
}

// Somebody writes junk to the channel again and again. No exporter stands still
// for ever over it, and no edge takes any of it.
func TestJunkKeepsComing(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.second()
	s.under(gentle(), func() {
		for i := range 10 {
			s.publishForeign(fmt.Appendf(nil, "junk %d", i))
			if i%3 == 2 { // otherwise at once behind the one before
				s.goesOn()
			}
		}
	})
	s.settle()
	s.check(tr)
}

// noise is text that does not get smaller on the wire.
func noise(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(' ' + rand.IntN(90))
	}
	return string(b)
}

// The exporter dies within a revision of several messages, and the standby
// takes over: what was half published is never applied.
func TestHalfPublishedRevisionIsTakenOver(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withLinks)
	other := *s.cloud
	other.DataDir, other.Hub.URL = filepath.Join(s.dir, "exporter-2"), s.via(nil)
	s.daemon("second exporter", s.exporterOf(&other))
	s.cloudLink.Throttle(500 << 10) // a part comes before the standby thinks that the stream stands still
	s.put("/flags/large", noise(1400<<10))
	s.until("a part of the revision is published", func() bool {
		f := s.newestFrame()
		return f.Kind == change.KindChanges && f.Part+1 < f.Parts
	})
	s.cloudLink.Refuse()
	half := s.newestFrame() // before the standby takes over
	d.stopExporter()
	if half.Part+1 == half.Parts {
		t.Fatalf("all %d parts got through before the link was cut", half.Parts)
	}
	s.settle()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}

// A hub whose limit is lowered below a frame refuses the exporter for good. The
// exporter names the setting, and goes on when it is put right.
func TestPayloadLimitIsLowered(t *testing.T) {
	t.Parallel()
	s := newSite(t, withCluster)
	tr := s.record()
	journal := s.keepJournal()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.startExporter()
	s.startImporter()
	s.settle()
	s.do(func() error { return s.cluster.SetMaxPayload(t.Context(), 64<<10) })
	s.put("/flags/large", noise(600<<10))
	s.until("the exporter names the limit", func() bool { return strings.Contains(journal.String(), "max_payload") })
	s.do(func() error { return s.cluster.SetMaxPayload(t.Context(), 1<<20) })
	s.settle()
	s.oneChain()
	s.check(tr)
}

// A stream that takes nothing more stalls the exporter, which says so and puts
// the stream right again by itself. While it is full again and again, the edge
// says that no exporter answers.
func TestStreamTakesNoMore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tr, journal := s.record(), s.keepJournal()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.startExporter()
	s.startImporter()
	s.settle()
	full := func() {
		cfg := s.stream().CachedInfo().Config
		cfg.Discard, cfg.MaxMsgs = jetstream.DiscardNew, 1
		if _, err := s.jetstream().UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	s.under(gentle(), func() {
		for range 3 {
			full()
			s.goesOn()
		}
		mark := s.reports.mark()
		s.until("the edge says that no exporter answers", func() bool {
			full()
			edges, _ := s.reports.since(mark)
			return slices.ContainsFunc(edges, func(e status.Edge) bool {
				return e.State == status.Disconnected && strings.Contains(e.Reason, "no exporter answers") && e.Try != ""
			})
		})
		s.goesOn()
	})
	if said := journal.String(); !strings.Contains(said, "the term ended") || !strings.Contains(said, "maximum messages exceeded") {
		t.Error("the exporter does not say that the stream is full")
	}
	s.settle()
	s.check(tr)
}

// requests counts what the edge asks the exporter for.
func (s *site) requests() (page, ranges func() int) {
	s.t.Helper()
	sub, err := s.admin.SubscribeSync(syncstream.RPCSubject("cloud", "store-1"))
	if err != nil {
		s.t.Fatal(err)
	}
	pages, asked := 0, 0
	take := func() {
		for {
			m, err := sub.NextMsg(time.Millisecond)
			if err != nil {
				return
			}
			pages += strings.Count(string(m.Data), `"page":`)
			asked += strings.Count(string(m.Data), `"ranges":{`)
		}
	}
	return func() int { take(); return pages }, func() int { take(); return asked }
}

// With 600 ms for a round trip, and connections that break, an edge finds what
// differs with one question.
func TestResyncOverALongRoundTrip(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withLinks)
	s.fill("/apps/bulk/", 2000, 200)
	s.settle()
	d.stopImporter()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.put("/apps/bulk/000007", "differs")
	if err := s.stream().Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.edgeLink.Delay(600 * time.Millisecond)
	pages, ranges := s.requests()
	d.stopImporter = s.startImporter()
	s.settle()
	if p, r := pages(), ranges(); p != 1 || r > 2 {
		t.Errorf("the edge asked for %d digest pages and %d times for ranges", p, r)
	}
	s.under(gentle(), func() {
		for range 3 {
			s.edgeLink.Cut()
			s.goesOn()
		}
	})
	s.settle()
	s.check(tr)
}

// The edge's key is revoked in the middle of its first copy and let in again
// later: the copy goes on where it was.
func TestEdgeIsShutOutDuringTheFirstCopy(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLinks)
	tr := s.record()
	const keys, size = 3000, 2 << 10
	for i := range keys {
		s.put(fmt.Sprintf("/flags/bulk/%06d", i), noise(size))
	}
	s.startExporter()
	s.edgeLink.Throttle(1 << 20)
	s.startImporter()
	s.until("half of it is there", func() bool { return s.held("/edge/flags/bulk/") > keys/2 })
	if _, err := s.hub.Pairs().Remove(t.Context(), "store-1"); err != nil {
		t.Fatal(err)
	}
	s.until("the edge is shut out", func() bool { return s.edgeLink.Connections() == 0 })
	s.put("/flags/bulk/000001", "changed meanwhile")
	_, before := s.edgeLink.Passed()
	if _, err := s.hub.Pairs().Enroll(t.Context(), theEdge, s.publicKey(s.edgeKey())); err != nil {
		t.Fatal(err)
	}
	s.report("is in sync", in(status.InSync))
	if _, after := s.edgeLink.Passed(); after-before > keys*size*3/4 {
		t.Errorf("%d KiB came after half of a copy of %d KiB", (after-before)>>10, keys*size>>10)
	}
	s.edgeLink.Throttle(0)
	s.settle()
	s.check(tr)
}

// reload reads the exporter's configuration again, after it was changed.
func (s *site) reload() {
	s.t.Helper()
	cloud, err := config.LoadExporter(filepath.Join(s.dir, "cloud.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cloud = cloud
}

// within bounds one step of a test.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
