package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// spoolingSite is a running site whose exporter serves metrics: the only thing
// that tells of a spool while the hub is away.
func spoolingSite(t *testing.T) (*site, *truth, *daemons) {
	t.Helper()
	s := newSite(t)
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s.cloud.Metrics.Listen = address
	s.cloud.Spool.MaxBytes = 1 << 20
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 200})
	d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.settle()
	return s, tr, d
}

// metric reads one metric of the exporter; ok is false while it is not there.
func (s *site) metric(name string) (v float64, ok bool) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.cloud.Metrics.Listen+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false // the exporter does not run
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+`{channel="flags",source="cloud"} `); found {
			v, err := strconv.ParseFloat(value, 64)
			return v, err == nil
		}
	}
	return 0, false
}

func (s *site) spooled(revision int64) {
	s.t.Helper()
	s.until(fmt.Sprintf("revision %d is spooled", revision), func() bool {
		v, ok := s.metric("syncer_spool_revision")
		return ok && int64(v) >= revision
	})
}

// history writes revisions of every sort, each of which changes the selection,
// and some that no edge has to see. It gives the keys that each one changes.
func (s *site) history(name string) map[int64]int {
	s.t.Helper()
	revisions := map[int64]int{}
	write := func(changes int, ops ...clientv3.Op) {
		s.t.Helper()
		resp, err := s.source.Client().Txn(s.t.Context()).Then(ops...).Commit()
		if err != nil {
			s.t.Fatalf("write history: %v", err)
		}
		if changes > 0 {
			revisions[resp.Header.Revision] = changes
		}
	}
	value := strings.Repeat("0123456789abcdef", 128)
	for i := range 100 {
		key := fmt.Sprintf("/apps/%s/%03d", name, i)
		write(1, put("/flags/step", fmt.Sprintf("%s %d", name, i)))
		write(3, put(key, value), put("/flags/step", fmt.Sprintf("%s %d again", name, i)), put("/flags/"+name, key), put("/flags/private/x", key))
		write(0, put("/other/x", key), put("/flags/private/y", key))
		if i%2 == 0 {
			write(2, clientv3.OpDelete(key), put("/flags/"+name, "deleted "+key))
		}
	}
	write(50, clientv3.OpDelete("/apps/"+name+"/", withPrefix))
	write(1, put("/flags/step", name+" ends"))
	return revisions
}

// published is what the stream holds behind a sequence: how many keys each
// revision of each lineage changes.
func (s *site) published(behind uint64) map[change.Position]int {
	s.t.Helper()
	out := map[change.Position]int{}
	var body []byte
	for seq := behind + 1; seq <= s.lastSeq(); seq++ {
		m, err := s.stream().GetMsg(s.t.Context(), seq)
		if err != nil {
			continue // pages and chunks of an edge are purged
		}
		f, err := change.DecodeFrame(m.Data)
		if err != nil || f.Kind != change.KindChanges {
			continue
		}
		if body = append(body, f.Body...); f.Part != f.Parts-1 {
			continue
		}
		raw, err := change.Decompress(body)
		if err != nil {
			s.t.Fatalf("frame at %d: %v", seq, err)
		}
		sets, err := change.DecodeChanges(raw)
		if err != nil {
			s.t.Fatalf("frame at %d: %v", seq, err)
		}
		for _, set := range sets {
			out[change.Position{Lineage: f.Lineage, Revision: set.Revision}] += len(set.Changes)
		}
		body = nil
	}
	return out
}

// publishedOnce fails unless every revision is on the stream, once and whole.
func (s *site) publishedOnce(behind uint64, lineage change.Lineage, revisions map[int64]int) {
	s.t.Helper()
	got := s.published(behind)
	wrong := 0
	for rev, want := range revisions {
		if n := got[change.Position{Lineage: lineage, Revision: rev}]; n != want {
			wrong++
			s.t.Logf("revision %d is published with %d changes, not %d", rev, n, want)
		}
	}
	if wrong > 0 {
		s.t.Errorf("%d of %d revisions are not published as they were", wrong, len(revisions))
	}
}

func newest(revisions map[int64]int) (last int64) {
	for rev := range revisions {
		last = max(last, rev)
	}
	return last
}

// forget compacts the source to its head, once the record has seen it all.
func (s *site) forget(tr *truth) {
	s.t.Helper()
	tr.catchUp(tr.source)
	s.compact()
}

func TestHubAwayWhileTheSourceCompacts(t *testing.T) {
	t.Parallel()
	s, tr, _ := spoolingSite(t)
	before, resets, seq := s.settle(), s.resets(), s.lastSeq()
	s.stopHub()
	revisions := map[int64]int{}
	for round := range 3 {
		part := s.history(fmt.Sprintf("round-%d", round))
		s.spooled(newest(part))
		s.load(t.Context(), workload.Load{Ops: 50})
		s.put("/flags/round", fmt.Sprint(round))
		s.spooled(s.sourceRevision())
		s.forget(tr)
		for rev, n := range part {
			revisions[rev] = n
		}
	}
	s.startHub()
	after := s.settle()
	s.publishedOnce(seq, before.Lineage, revisions)
	if after.Lineage != before.Lineage || after.Resyncs != before.Resyncs || after.Gaps != before.Gaps || after.Torn != before.Torn || s.resets() != resets {
		t.Errorf("before the outage %+v, after it %+v; %d resets became %d", before, after, resets, s.resets())
	}
	within := 0
	for _, c := range tr.cursors() {
		if n := revisions[c.Revision]; n > 0 && c.Revision < newest(revisions) {
			within++
		}
	}
	if within < 3 {
		t.Errorf("the edge stood at %d revisions of the outage", within)
	}
	s.until("the spool is empty", func() bool {
		_, ok := s.metric("syncer_spool_revision")
		return !ok
	})
	s.check(tr)
}

func (s *site) resets() int64 {
	s.t.Helper()
	e := s.exporterReport("has its channel", func(e status.Exporter) bool { return len(e.Channels) == 1 })
	return e.Channels[0].Resets
}

// An outage that is longer than the spool ends with a comparison, as one
// without a spool does; the exporter says so.
func TestSpoolIsFull(t *testing.T) {
	t.Parallel()
	s, tr, _ := spoolingSite(t)
	s.put("/flags/goes", "soon")
	before := s.settle()
	s.stopHub()
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, 20<<10)
	for i := range 100 { // twice the bound, in few keys
		_, _ = random.Read(value) // never fails
		s.put(fmt.Sprintf("/apps/noise%d", i%8), string(value))
	}
	if _, err := s.source.Client().Delete(t.Context(), "/flags/goes"); err != nil {
		t.Fatal(err)
	}
	s.until("the spool is full", func() bool {
		full, ok := s.metric("syncer_spool_full")
		bytes, _ := s.metric("syncer_spool_bytes")
		return ok && full == 1 && bytes == 0
	})
	s.forget(tr)
	s.startHub()
	after := s.settle()
	if after.Resyncs != before.Resyncs || after.Lineage != before.Lineage {
		t.Errorf("before the outage %+v, after it %+v", before, after)
	}
	e := s.exporterReport("tells of the spool", func(e status.Exporter) bool { return len(e.Channels) == 1 && e.Channels[0].Spool != nil })
	if sp := e.Channels[0].Spool; !sp.Full || !strings.Contains(sp.Reason, "full") || sp.Bytes != 0 {
		t.Errorf("the exporter says %+v", sp)
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)

	// The next outage is spooled again.
	seq := s.lastSeq()
	s.stopHub()
	revisions := s.history("next")
	s.spooled(newest(revisions))
	s.forget(tr)
	s.startHub()
	s.settle()
	s.publishedOnce(seq, before.Lineage, revisions)
	s.check(tr)
}

// What was spooled of a source that is no more is never published.
func TestForeignSpool(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stopped bool
		ops     int
	}{
		"exporter running, further than before": {ops: 1200},
		"exporter stopped, not as far":          {stopped: true, ops: 30},
	} {
		t.Run(name, func(t *testing.T) {
			s, tr, d := spoolingSite(t)
			before, seq := s.settle(), s.lastSeq()
			s.stopHub()
			s.spooled(newest(s.history("kept")))
			older := filepath.Join(s.dir, "older")
			if err := s.source.Copy(t.Context(), older); err != nil {
				t.Fatal(err)
			}
			lost := s.history("lost-by-the-restore")
			s.spooled(newest(lost))
			if c.stopped {
				d.stopExporter()
			}
			tr.breakSource(func() error { return s.source.Restore(t.Context(), older) })
			s.load(t.Context(), workload.Load{Ops: c.ops})
			s.startHub()
			if c.stopped {
				d.stopExporter = s.startExporter()
			}
			after := s.settle()
			if after.Lineage == before.Lineage {
				t.Errorf("the lineage is the same: %+v", after)
			}
			for at := range s.published(seq) {
				if at.Lineage == before.Lineage && lost[at.Revision] > 0 {
					t.Errorf("%v is published from the spool", at)
				}
			}
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// A hub that comes back without what it had acknowledged, and that no edge has
// read, is told again: in the same history, and with a comparison by the edge.
func TestHubLosesAcknowledgedData(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t)
	before, resets := s.settle(), s.resets()
	d.stopImporter()
	copied := filepath.Join(s.dir, "older")
	s.stopHub()
	s.copyTree(s.hubDir(), copied)
	s.startHub()
	s.history("acknowledged")
	at := s.sourceRevision()
	s.exporterReport("has published everything", func(e status.Exporter) bool { return e.SourceRevision >= at })
	s.stopHub()
	if err := os.RemoveAll(s.hubDir()); err != nil {
		t.Fatal(err)
	}
	s.copyTree(copied, s.hubDir())
	s.forget(tr)
	s.startHub()
	s.startImporter()
	after := s.settle()
	if after.Lineage != before.Lineage || s.resets() != resets {
		t.Errorf("the channel began anew: before %+v, after %+v, %d resets became %d", before, after, resets, s.resets())
	}
	s.load(t.Context(), workload.Load{Ops: 100})
	s.settle()
	s.check(tr)
}
