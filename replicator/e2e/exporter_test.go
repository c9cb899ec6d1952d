package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	syncstream "github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

func TestExporterLosesItsIndex(t *testing.T) {
	t.Parallel()
	for name, alsoStream := range map[string]bool{"index": false, "index and stream": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			d.stopExporter()
			s.load(t.Context(), workload.Load{Ops: 200})
			s.remove(s.indexFile())
			if alsoStream {
				s.deleteStream()
			}
			mark := s.reports.mark()
			s.startExporter()
			s.reportSince(mark, "counts the resync", func(e status.Edge) bool { return e.Resyncs > 0 })
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// An index that is older than the stream's tail, as after a crash, catches up
// without publishing anything again.
func TestExporterIndexIsOlderThanTheStream(t *testing.T) {
	t.Parallel()
	for name, compacted := range map[string]bool{"history readable": false, "history compacted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			d.stopExporter()
			older := filepath.Join(s.dir, "older.db")
			s.copyFile(s.indexFile(), older)
			d.stopExporter = s.startExporter()
			s.put("/apps/short-lived", "here")
			s.load(t.Context(), workload.Load{Ops: 200})
			s.settle()
			d.stopExporter()
			s.copyFile(older, s.indexFile())
			if _, err := s.source.Client().Delete(t.Context(), "/apps/short-lived"); err != nil {
				t.Fatal(err)
			}
			s.load(t.Context(), workload.Load{Ops: 200})
			if compacted {
				s.compact()
			}
			s.startExporter()
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

func (s *site) compact() {
	s.t.Helper()
	if _, err := s.source.Client().Compact(s.t.Context(), s.sourceRevision()); err != nil {
		s.t.Fatalf("compact the source: %v", err)
	}
}

// Far behind, keys are compared instead of replaying history: the edge goes on
// from where it stood, without a resync.
func TestExporterFarBehind(t *testing.T) {
	t.Parallel()
	for name, compacted := range map[string]bool{"25,000 revisions": false, "compacted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			s.put("/flags/goes", "soon")
			s.settle()
			d.stopExporter()
			n := 25_000
			if compacted {
				n = 500
			}
			s.churn(n)
			if _, err := s.source.Client().Delete(t.Context(), "/flags/goes"); err != nil {
				t.Fatal(err)
			}
			if compacted {
				tr.catchUp(tr.source) // before it is compacted away
				s.compact()
			}
			s.startExporter()
			e := s.settle()
			if e.Resyncs > 1 { // the first copy is one
				t.Errorf("the edge had to resync: %+v", e)
			}
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// churn makes n revisions on few keys, from several clients at once.
func (s *site) churn(n int) {
	s.t.Helper()
	const writers = 16
	errs := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range n / writers {
				if _, err := s.source.Client().Put(s.t.Context(), fmt.Sprintf("/flags/churn%02d", w), fmt.Sprint(i)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			s.t.Fatalf("churn: %v", err)
		}
	}
}

// A comparison with more differences than one changeset carries is applied in
// parts, which the cursor says until the last one is in place.
func TestExporterComparesALot(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	d.stopExporter()
	s.fill("/apps/many/", 1200, 4<<10)
	tr.catchUp(tr.source) // before it is compacted away
	s.compact()
	s.startExporter()
	s.reportSince(s.reports.mark(), "counts the torn revision", func(e status.Edge) bool { return e.Torn > 0 })
	s.settle()
	s.check(tr)
}

// The exporter stops within a comparison: what it published of it stays
// unfinished for ever.
func TestExporterStopsWithinAComparison(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withLinks)
	d.stopExporter()
	s.fill("/apps/many/", 3000, 4<<10)
	tr.catchUp(tr.source) // before it is compacted away
	s.compact()
	before := s.lastSeq()
	s.cloudLink.Throttle(400 << 10)
	d.stopExporter = s.startExporter()
	s.until("the exporter has published a part of the comparison", func() bool { return s.lastSeq() > before+2 && s.newestFrame().Open })
	s.cloudLink.Refuse()
	d.stopExporter()
	s.cloudLink.Throttle(0)
	s.cloudLink.Pass()
	if !s.newestFrame().Open {
		t.Log("the last part got through before the link was cut")
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.startExporter()
	s.settle()
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}

// second is another exporter of the same source with a directory of its own.
func (s *site) second() (stop func()) {
	other := *s.cloud
	other.DataDir = filepath.Join(s.dir, "exporter-2")
	return s.daemon("second exporter", s.exporterOf(&other))
}

func TestStandbyTakesOver(t *testing.T) {
	s, tr, d := runningSite(t)
	first := s.exporterReport("is active", func(e status.Exporter) bool { return e.Role == "active" }).Instance
	stopSecond := s.second()
	s.under(gentle(), func() {
		s.quiet(first, 10*s.cloud.Heartbeat)
		d.stopExporter()
		second := s.exporterReport("is the standby's", func(e status.Exporter) bool { return e.Instance != first }).Instance
		s.settleSoon()
		d.stopExporter = s.startExporter()
		s.quiet(second, 10*s.cloud.Heartbeat)
		stopSecond()
		s.exporterReport("is the first one's again", func(e status.Exporter) bool { return e.Instance == first })
	})
	s.settle()
	s.check(tr)
}

// quiet makes sure that nobody but one instance writes to the stream for a
// while.
func (s *site) quiet(instance string, d time.Duration) {
	s.t.Helper()
	end := time.Now().Add(d)
	from := s.lastSeq()
	s.until("time has passed", func() bool { return time.Now().After(end) })
	stream, last := s.stream(), s.lastSeq() // the stream grows meanwhile
	for seq := from; seq <= last; seq++ {
		m, err := stream.GetMsg(s.t.Context(), seq)
		if err != nil {
			continue // pages and chunks of an edge are purged
		}
		if w := writerOf(m.Data); w != instance {
			s.t.Errorf("message %d is written by %s beside %s", seq, w, instance)
		}
	}
}

func writerOf(message []byte) string {
	f, err := change.DecodeFrame(message)
	if err != nil {
		return err.Error()
	}
	return f.Writer
}

// settleSoon waits until the edge has verified something new.
func (s *site) settleSoon() {
	s.t.Helper()
	now := s.sourceRevision()
	s.report("has verified something new", func(e status.Edge) bool { return e.VerifiedRevision >= now })
}

// A publisher that does not know the newest message cannot publish.
func TestStaleExporterCannotPublish(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	log, err := syncstream.OpenLog(t.Context(), s.admin, syncstream.LogConfig{
		Source: "cloud", MaxBytes: int64(s.cloud.Stream.MaxBytes), MaxAge: s.cloud.Stream.MaxAge, Replicas: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	stale := log.NewPublisher(s.lastSeq() - 1)
	m, err := s.stream().GetMsg(t.Context(), s.lastSeq())
	if err != nil {
		t.Fatal(err)
	}
	if err := stale.Publish(t.Context(), syncstream.LogSubject("cloud", "flags"), m.Data, nil); err != nil {
		t.Fatal(err)
	}
	if err := stale.Flush(t.Context()); err == nil {
		t.Error("a stale exporter published")
	}
	if err := stale.Close(); err == nil {
		t.Error("a stale publisher closes without an error")
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}

// A source that was put back to a backup has another history from there on.
func TestSourceRestored(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"exporter running": false, "exporter stopped": true} {
		for what, ops := range map[string]int{"not as far": 30, "further than before": 700} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				s, tr, d := runningSite(t)
				older := filepath.Join(s.dir, "older")
				if err := s.source.Copy(t.Context(), older); err != nil {
					t.Fatal(err)
				}
				s.put("/apps/lost-by-the-restore", "1")
				s.load(t.Context(), workload.Load{Ops: 200})
				before := s.settle()
				if stopped {
					d.stopExporter()
				}
				tr.breakSource(func() error { return s.source.Restore(t.Context(), older) })
				s.load(t.Context(), workload.Load{Ops: ops})
				if stopped {
					d.stopExporter = s.startExporter()
				}
				after := s.settle()
				if after.Lineage == before.Lineage {
					t.Errorf("the lineage is the same: %+v", after)
				}
				s.load(t.Context(), workload.Load{Ops: 100})
				s.settle()
				s.check(tr)
			})
		}
	}
}

// The source is compacted all the time while the edge makes its first copy,
// under writes.
func TestFirstCopyUnderCompaction(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tr := s.record()
	s.fill("/apps/bulk/", 4000, 2<<10)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				resp, err := s.source.Client().Get(t.Context(), "x")
				if err == nil {
					// The record must have seen what is compacted away.
					rev := min(resp.Header.Revision, tr.source.Last())
					_, _ = s.source.Client().Compact(t.Context(), rev) // compacted already, sometimes
				}
			case <-stop:
				return
			}
		}
	}()
	s.under(workload.Load{Writers: 4, Rate: 400}, func() {
		s.startExporter()
		s.startImporter()
		s.report("is in sync", in(status.InSync))
	})
	close(stop)
	<-done
	s.settle()
	s.check(tr)
}
