package e2e

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// links are the ways to the hub.
var links = map[string]func(*site) *testbed.Proxy{
	"edge":  func(s *site) *testbed.Proxy { return s.edgeLink },
	"cloud": func(s *site) *testbed.Proxy { return s.cloudLink },
}

// goesOn waits until the edge has verified what the source has now.
func (s *site) goesOn() {
	s.t.Helper()
	at := s.sourceRevision()
	s.report("has gone on", func(e status.Edge) bool { return e.VerifiedRevision >= at })
}

func TestLinkIsCut(t *testing.T) {
	t.Parallel()
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t, withLinks)
			s.under(workload.Load{Writers: 4, Rate: 300}, func() {
				for i := range 6 {
					_, down := link(s).Passed()
					if i%2 == 0 {
						link(s).CutAfter(testbed.Direction(i/2%2), 20_000)
						s.until("the link is cut", func() bool { _, now := link(s).Passed(); return now > down+10_000 })
					} else {
						link(s).Cut()
					}
					s.goesOn()
				}
			})
			s.settle()
			s.check(tr)
		})
	}
}

func TestLinkIsBlackHoled(t *testing.T) {
	t.Parallel()
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, _ := runningSite(t, withLinks)
			s.under(gentle(), func() {
				link(s).BlackHole()
				// Longer than any request waits: 10 seconds.
				end := time.Now().Add(12 * time.Second)
				s.until("the timeouts have passed", func() bool { return time.Now().After(end) })
				link(s).Pass()
				s.goesOn()
			})
			s.settle()
			s.check(tr)
		})
	}
}

func TestLinkIsThrottled(t *testing.T) {
	t.Parallel()
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t, withLinks)
			link(s).Throttle(200 << 10)
			s.under(gentle(), func() {
				d.stopImporter()
				s.fill("/apps/bulk/", 300, 2<<10)
				d.stopImporter = s.startImporter()
				s.goesOn()
			})
			s.settle()
			s.check(tr)
		})
	}
}

// A first copy over a slow link that is cut again and again makes progress.
func TestFirstCopyOverABadLink(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLinks)
	tr := s.record()
	s.fill("/flags/bulk/", 1500, 2<<10)
	s.startExporter()
	s.edgeLink.Throttle(1 << 20)
	s.under(gentle(), func() {
		s.startImporter()
		for range 3 {
			_, down := s.edgeLink.Passed()
			s.until("some of it has come", func() bool { _, now := s.edgeLink.Passed(); return now > down+200_000 })
			s.edgeLink.Cut()
		}
		s.report("is in sync", in(status.InSync))
	})
	s.edgeLink.Throttle(0)
	s.settle()
	s.check(tr)
}
