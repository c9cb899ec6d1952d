package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/change"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// away says which daemons do not run while something happens.
type away struct{ exporter, importer bool }

// while lets fault happen while daemons are away, with writes before and
// after, and starts them again.
func (s *site) while(a away, d *daemons, fault func()) {
	s.t.Helper()
	if a.exporter {
		d.stopExporter()
	}
	if a.importer {
		d.stopImporter()
	}
	s.load(s.t.Context(), workload.Load{Ops: 100})
	fault()
	s.load(s.t.Context(), workload.Load{Ops: 100})
	if a.exporter {
		d.stopExporter = s.startExporter()
	}
	if a.importer {
		d.stopImporter = s.startImporter()
	}
}

var whoIsAway = map[string]away{
	"all running":      {},
	"exporter stopped": {exporter: true},
	"importer stopped": {importer: true},
	"both stopped":     {exporter: true, importer: true},
}

func TestStreamPurged(t *testing.T) {
	t.Parallel()
	for name, who := range whoIsAway {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			s.while(who, d, func() {
				if err := s.stream().Purge(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
			s.settle()
			s.check(tr)
		})
	}
}

func TestStreamDeleted(t *testing.T) {
	t.Parallel()
	for name, who := range whoIsAway {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			s.while(who, d, s.deleteStream)
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

func TestStreamDeletedUnderLoad(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.under(gentle(), func() {
		for range 3 {
			s.deleteStream()
			mark := s.sourceRevision()
			s.report("has gone on", func(e status.Edge) bool { return e.VerifiedRevision > mark })
		}
	})
	s.settle()
	s.check(tr)
}

// A deleted stream of reports is made again, also while somebody listens to the
// reports: then no answer tells the exporter that they are not kept.
func TestStreamOfReportsDeleted(t *testing.T) {
	t.Parallel()
	s, _, _ := runningSite(t)
	for range 2 {
		if err := s.jetstream().DeleteStream(t.Context(), syncstream.StatusStream("cloud")); err != nil {
			t.Fatal(err)
		}
		s.until("the hub keeps the reports of both again", func() bool {
			all, err := syncstream.ReadStatuses(t.Context(), s.admin, "cloud")
			return err == nil && all.Exporter != nil && len(all.Edges) == 1
		})
	}
}

// A hub that is put back to an older copy of its directory has lost what it
// acknowledged, and hands out sequence numbers for the second time.
func TestHubRolledBack(t *testing.T) {
	t.Parallel()
	for name, who := range whoIsAway {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			copied := filepath.Join(s.dir, "older")
			s.stopHub()
			s.copyTree(s.hubDir(), copied)
			s.startHub()
			s.load(t.Context(), workload.Load{Ops: 200})
			s.settle()
			s.while(who, d, func() {
				s.stopHub()
				if err := os.RemoveAll(s.hubDir()); err != nil {
					t.Fatal(err)
				}
				s.copyTree(copied, s.hubDir())
				s.startHub()
			})
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// What an edge has not read yet is taken from the stream.
func TestMessagesLostBeforeTheEdgeReadThem(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	d.stopImporter()
	s.load(t.Context(), workload.Load{Ops: 300})
	at := s.sourceRevision()
	s.exporterReport("has published everything", func(e status.Exporter) bool { return e.SourceRevision >= at })
	if err := s.stream().Purge(t.Context(), jetstream.WithPurgeSequence(s.lastSeq()-1)); err != nil {
		t.Fatal(err)
	}
	mark := s.reports.mark()
	s.startImporter()
	s.reportSince(mark, "counts the resync", func(e status.Edge) bool { return e.Resyncs > 0 })
	s.settle()
	s.check(tr)
}

// The middle of what an edge reads vanishes while it reads.
func TestGapWhileFollowing(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	s.under(workload.Load{Writers: 4, Rate: 600}, func() {
		for range 20 {
			if err := s.stream().Purge(t.Context(), jetstream.WithPurgeSequence(s.lastSeq()+1)); err != nil {
				t.Fatal(err)
			}
			at := s.sourceRevision()
			s.exporterReport("has gone on", func(e status.Exporter) bool { return e.SourceRevision > at })
		}
	})
	s.settle()
	s.check(tr)
}

// foreign are messages that no exporter of this channel would send now.
var foreign = map[string]func(*site) []byte{
	"junk": func(*site) []byte { return []byte("not a frame at all") },
	"old frame": func(s *site) []byte {
		m, err := s.stream().GetMsg(s.t.Context(), s.firstFrame(change.KindChanges))
		if err != nil {
			s.t.Fatal(err)
		}
		return m.Data
	},
	"frame of another writer": func(s *site) []byte {
		f := s.newestFrame()
		f.Writer = "somebody-else"
		f.Prev, f.First, f.Last = f.Last, f.Last+1, f.Last+1
		f.Kind, f.Part, f.Parts = change.KindChanges, 0, 1
		body, err := change.Compress(change.EncodeChanges([]change.Changeset{{
			Revision: f.Last,
			Changes:  []change.Change{{Op: change.Put, Key: []byte("/apps/forged"), Value: []byte("forged")}},
		}}))
		if err != nil {
			s.t.Fatal(err)
		}
		f.Body, f.PrevHash = body, change.Hash{1}
		return change.EncodeFrame(f)
	},
}

func (s *site) firstFrame(kind change.Kind) uint64 {
	s.t.Helper()
	for seq := range s.lastSeq() + 1 {
		m, err := s.stream().GetMsg(s.t.Context(), max(seq, 1))
		if err != nil {
			continue
		}
		if f, err := change.DecodeFrame(m.Data); err == nil && f.Kind == kind {
			return m.Sequence
		}
	}
	s.t.Fatalf("the stream has no %v", kind)
	return 0
}

func (s *site) newestFrame() change.Frame {
	s.t.Helper()
	m, err := s.stream().GetLastMsgForSubject(s.t.Context(), syncstream.LogSubject("cloud", "flags"))
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := change.DecodeFrame(m.Data)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func TestForeignMessages(t *testing.T) {
	t.Parallel()
	for name, message := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t)
			s.load(t.Context(), workload.Load{Ops: 50})
			s.settle()
			before, _ := s.reports.since(0)
			for range 3 {
				if _, err := s.jetstream().Publish(t.Context(), syncstream.LogSubject("cloud", "flags"), message(s)); err != nil {
					t.Fatal(err)
				}
			}
			last := before[len(before)-1]
			s.report("counts the foreign messages", func(e status.Edge) bool {
				return e.Replayed+e.Gaps > last.Replayed+last.Gaps
			})
			s.load(t.Context(), workload.Load{Ops: 50})
			s.settle()
			s.check(tr)
		})
	}
}

// A frame that follows the chain and cannot be read is not delivered for ever:
// the edge compares.
func TestFrameThatCannotBeRead(t *testing.T) {
	s, tr, _ := runningSite(t)
	for range 3 { // the next heartbeat may be faster
		m, err := s.stream().GetLastMsgForSubject(t.Context(), syncstream.LogSubject("cloud", "flags"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		f.Kind, f.Prev, f.First, f.PrevHash, f.Body = change.KindChanges, f.Last, f.Last, change.HashOf(m.Data), []byte("no frame at all")
		s.publishForeign(change.EncodeFrame(f))
	}
	s.load(t.Context(), workload.Load{Ops: 50})
	s.settle()
	s.check(tr)
}

// N1: an edge whose link is down for longer than the stream keeps its messages
// finds out by itself, and repairs what it missed.
func TestLinkIsDownForLongerThanMaxAge(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLinks)
	s.cloud.Stream.MaxAge = 2 * time.Second
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.startExporter()
	s.startImporter()
	before := s.settle()
	s.edgeLink.Refuse()
	s.load(t.Context(), workload.Load{Ops: 200})
	s.exporterHas(s.sourceRevision())
	missed := s.lastSeq()
	s.until("what the edge missed has expired", func() bool {
		info, err := s.stream().Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.FirstSeq > missed
	})
	s.edgeLink.Pass()
	e := s.settle()
	if e.Gaps == before.Gaps && e.Resyncs == before.Resyncs {
		t.Errorf("the edge does not say that it missed something: %+v", e)
	}
	s.check(tr)
}
