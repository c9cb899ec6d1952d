package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// judged is what `syncer status` says of the edge.
func (s *site) judged() (status.Item, status.List) {
	s.t.Helper()
	seen, err := jetstream.ReadStatuses(s.t.Context(), s.admin, "cloud")
	if err != nil {
		s.t.Fatal(err)
	}
	list := status.Merge(status.Observation{
		Source: "cloud", Now: seen.Now, Exporter: seen.Exporter, Edges: seen.Edges,
		Pairs: []status.Pair{{Name: "store-1", Policy: "flags", Joined: time.Unix(1, 0)}},
	})
	return list.Items[0], list
}

// blames waits until the status of the edge names a cause and a remedy, while
// the exporter is the active one.
func (s *site) blames(cause string) {
	s.t.Helper()
	s.until("the status names the cause: "+cause, func() bool {
		it, list := s.judged()
		return it.State == status.Stale && strings.Contains(it.Reason, cause) && it.Try != "" && list.Exporter.State == status.ExporterActive
	})
}

// feedsARestartedEdge has the edge start again while its source is away: it gets
// what the hub holds, and does what it is told.
func (s *site) feedsARestartedEdge(d *daemons, key string) {
	s.t.Helper()
	d.stopImporter = s.startImporter()
	s.until("the edge holds what the hub holds", func() bool { _, ok := s.have()[key]; return ok })
	s.done(command.New(command.Pause))
	s.report("is paused", in(status.Paused))
	s.done(command.New(command.Resume))
	err := jetstream.AskCommand(s.t.Context(), s.admin, "cloud", "store-1", command.New(command.Verify))
	if fault.ExitCode(err) != int(fault.Unreachable) || !strings.Contains(err.Error(), "the source") || fault.Try(err) == "" || fault.Try(err) == "run the command again" {
		s.t.Errorf("a command that needs the source: %v, try %s", err, fault.Try(err))
	}
}

// hubHolds puts a key that the hub holds when it returns.
func (s *site) hubHolds(key string) {
	s.t.Helper()
	s.put(key, "1")
	at := s.sourceRevision()
	s.exporterReport("has published the key", func(e status.Exporter) bool { return e.SourceRevision >= at })
}

// While the source is away its exporter says so, feeds edges with what the hub
// holds and takes commands to them; when the source is back it goes on by
// itself.
func TestSourceIsAway(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"exporter running": false, "exporter started meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			journal := s.keepJournal()
			s.fill("/apps/before/", 50, 100)
			d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
			s.settle()
			d.stopImporter()
			s.hubHolds("/apps/held")
			resets := s.resets()
			s.source.Stop()
			if restart {
				d.stopExporter()
				d.stopExporter = s.startExporter()
			}
			s.blames("the source")
			s.feedsARestartedEdge(d, "/apps/held")
			s.blames("the source")
			s.start(s.source.Start)
			s.put("/apps/behind", "1")
			s.settle()
			s.until("the status is well again", func() bool { it, _ := s.judged(); return it.State == status.InSync && it.Reason == "" })
			if strings.Contains(journal.String(), "the term ended") {
				t.Error("the term ended")
			}
			if n := s.resets(); !restart && n != resets {
				t.Errorf("%d resets became %d", resets, n)
			}
		})
	}
}

// Edges that hear nothing attach again, to see whether it is the link. While it
// is the source, all edges of a fleet do, so they do it less and less often.
func TestEdgesAskRarelyWhileTheSourceIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	journal := s.keepJournal()
	s.put("/apps/a", "1")
	s.startExporter()
	s.startImporter()
	s.settle()
	s.source.Stop()
	attached := func(times int) time.Time {
		s.t.Helper()
		s.until(fmt.Sprintf("the edge has attached %d times", times), func() bool { return strings.Count(journal.String(), "edge attached") >= times })
		return time.Now()
	}
	before := strings.Count(journal.String(), "edge attached")
	first := attached(before + 1)
	if third := attached(before + 3); third.Sub(first) < 5900*time.Millisecond {
		t.Errorf("the edge attached twice more within %v, want waits of 2 and 4 seconds", third.Sub(first))
	}
	s.start(s.source.Start)
	s.put("/apps/a", "2")
	s.settle()
}

// overALink gives the site's exporter a link of its own to the source.
func (s *site) overALink() *testbed.Proxy {
	s.t.Helper()
	link := testbed.NewProxy(s.t, s.source.Address())
	s.cloud.Source.Etcd.Endpoints = []string{"http://" + link.Address()}
	return link
}

// An exporter whose source is away for it alone gives way to one that reads it,
// and does not publish beside that one when it is back.
func TestSourceIsAwayForOneOfTwoExporters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	journal := s.keepJournal()
	tr := s.record()
	direct := *s.cloud
	link := s.overALink()
	direct.Source.Etcd.Endpoints = []string{s.source.Endpoint()}
	direct.DataDir = s.dir + "/exporter-2"
	s.startExporter()
	first := s.exporterReport("is active", func(e status.Exporter) bool { return e.Role == "active" }).Instance
	s.startImporter()
	s.settle()
	s.daemon("second exporter", s.exporterOf(&direct))
	s.until("the second one stands by", func() bool { return strings.Contains(journal.String(), "standing by while another exporter writes") })
	link.BlackHole()
	second := s.exporterReport("is the standby's", func(e status.Exporter) bool { return e.Instance != first }).Instance
	s.until("the first one gives way", func() bool { return strings.Contains(journal.String(), "another exporter has taken over") })
	link.Pass()
	s.put("/apps/behind", "1")
	s.settle()
	s.quiet(second, 10*s.cloud.Heartbeat)
	if e, _, _ := s.reports.newestExporter(); e.Instance != second {
		t.Errorf("the report is of %s, not of %s", e.Instance, second)
	}
	s.check(tr)
}

// A standby that cannot read the source either leaves the place to the exporter
// that tells of itself.
func TestSourceIsAwayForBothExporters(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *site) { s.heartbeat = 500 * time.Millisecond })
	journal := s.keepJournal()
	s.startExporter()
	s.startImporter()
	s.settle()
	first := s.exporterReport("is active", func(e status.Exporter) bool { return e.Role == "active" }).Instance
	s.second()
	s.until("the second one stands by", func() bool { return strings.Contains(journal.String(), "standing by while another exporter writes") })
	s.source.Stop()
	s.blames("the source")
	since := time.Now()
	s.exporterReport("is the first one's, long after a standby takes over", func(e status.Exporter) bool {
		if e.Instance != first {
			t.Errorf("%s took over", e.Instance)
		}
		return e.Reported.After(since.Add(9 * s.cloud.Heartbeat))
	})
	if strings.Contains(journal.String(), "taking over") {
		t.Error("the standby took over")
	}
	s.start(s.source.Start) // whoever reads it first goes on
	s.put("/apps/behind", "1")
	s.settle()
}

// What must not be published twice is not published before it is known: an
// exporter that starts without its source publishes nothing.
func TestNothingIsPublishedBeforeTheSourceIsKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.source.Stop()
	s.startExporter()
	s.exporterReport("says that the source is away", func(e status.Exporter) bool {
		return e.Role == "active" && len(e.Channels) == 1 && strings.Contains(e.Channels[0].Trouble, "the source") && e.Channels[0].Try != ""
	})
	if last := s.lastSeq(); last != 0 {
		t.Errorf("the stream holds %d messages", last)
	}
	s.start(s.source.Start)
	s.startImporter()
	for i := range 3 {
		s.put(fmt.Sprintf("/apps/%d", i), "1")
	}
	s.settle()
}
