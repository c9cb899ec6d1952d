package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// losses are what an edge can lose while its importer is stopped.
var losses = map[string]func(*site){
	"inbox":   func(s *site) { s.remove(s.inboxFile()) },
	"damaged": func(s *site) { s.damage(s.inboxFile()) },
	"profile": func(s *site) { s.remove(filepath.Join(s.edge.DataDir, "channel.json")) },
	"everything but the credentials": func(s *site) {
		entries, err := os.ReadDir(s.edge.DataDir)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "edge.nk" {
				s.remove(filepath.Join(s.edge.DataDir, e.Name()))
			}
		}
	},
}

// damage overwrites the middle of a file.
func (s *site) damage(path string) {
	s.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	third := len(raw) / 3
	copy(raw[third:2*third], bytes.Repeat([]byte{0xa5}, third))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// fillInbox has the importer receive what it cannot apply, and stops it.
func (s *site) fillInbox(d *daemons) {
	s.t.Helper()
	s.target.Stop()
	s.load(s.t.Context(), workload.Load{Ops: 300})
	at := s.lastSelected()
	s.report("has received what it cannot apply", func(e status.Edge) bool { return e.ReceivedRevision >= at })
	d.stopImporter()
	if err := s.target.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// lastSelected is the newest revision that changed a selected key that still
// exists.
func (s *site) lastSelected() int64 {
	s.t.Helper()
	resp, err := s.source.Client().Get(s.t.Context(), "/apps/", withPrefix, newestFirst)
	if err != nil || len(resp.Kvs) == 0 {
		s.t.Fatalf("find the newest key: %v", err)
	}
	return resp.Kvs[0].ModRevision
}

func TestEdgeLoses(t *testing.T) {
	t.Parallel()
	for what, lose := range losses {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, tr, d := runningSite(t)
			s.fillInbox(d)
			lose(s)
			d.stopImporter = s.startImporter()
			s.settle()
			s.load(t.Context(), workload.Load{Ops: 100})
			s.settle()
			s.check(tr)
		})
	}
}

// resets are what an operator can do to the etcd of an edge.
var resets = map[string]func(s *site, older string) error{
	"wiped":    func(s *site, _ string) error { return s.target.Wipe(s.t.Context()) },
	"restored": func(s *site, older string) error { return s.target.Restore(s.t.Context(), older) },
}

func TestEdgeEtcdSetBack(t *testing.T) {
	t.Parallel()
	for what, reset := range resets {
		for _, busy := range []bool{false, true} {
			for _, stopped := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/busy=%t/stopped=%t", what, busy, stopped), func(t *testing.T) {
					t.Parallel()
					s, tr, d := runningSite(t)
					older := filepath.Join(s.dir, "older")
					if err := s.target.Copy(t.Context(), older); err != nil {
						t.Fatal(err)
					}
					s.load(t.Context(), workload.Load{Ops: 200})
					s.settle()
					s.setBack(tr, d, stopped, busy, func() error { return reset(s, older) })
					s.settle()
					s.load(t.Context(), workload.Load{Ops: 100})
					s.settle()
					s.check(tr)
				})
			}
		}
	}
}

// setBack sets the target back. The edge must notice by itself.
func (s *site) setBack(tr *truth, d *daemons, stopped, busy bool, reset func() error) {
	s.t.Helper()
	if stopped {
		d.stopImporter()
	}
	fault := func() {
		mark := s.reports.mark()
		tr.breakTarget(reset)
		if stopped {
			d.stopImporter = s.startImporter()
		} else {
			s.reportSince(mark, "notices that its etcd was set back", notIn(status.InSync))
		}
	}
	if busy {
		s.under(gentle(), fault)
	} else {
		fault()
	}
}

// An edge that has applied all notices on an idle channel that its etcd is
// empty.
func TestEdgeKeepsWhatIsNotSelected(t *testing.T) {
	t.Parallel()
	s, tr, _ := runningSite(t)
	tr.writeTarget(put("/edge/flags/private/mine", "1"), put("/elsewhere/mine", "2"), put("/appz", "3"))
	s.under(gentle(), func() {
		s.deleteStream()
		s.report("has compared", func(e status.Edge) bool { return e.State == status.InSync })
	})
	s.settle()
	for key, want := range map[string]string{"/edge/flags/private/mine": "1", "/elsewhere/mine": "2", "/appz": "3"} {
		if got := s.content(s.target.Client(), key)[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	s.check(tr)
}
