package e2e

import (
	"encoding/json"
	"testing"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// TestGuarantee holds each guarantee, by its name, against what was recorded
// while a site went through restarts, a lost link and a twin of its importer
// under a random workload.
func TestGuarantee(t *testing.T) {
	t.Parallel()
	s, tr, d := runningSite(t, withLinks)
	s.under(gentle(), func() {
		d.stopExporter()
		d.stopExporter = s.startExporter()
		s.edgeLink.Cut()
		d.stopImporter()
		d.stopImporter = s.startImporter()
		s.settleSoon()
		d.stopImporter()
		first, _ := s.twin("first")
		s.settleSoon()
		s.twin("second")
		s.fenced(first, "")
	})
	s.load(t.Context(), workload.Load{Ops: 500, Writers: 4})
	s.settle()
	tr.catchUp(tr.source)
	tr.catchUp(tr.target().recorder)
	seg := tr.target()
	c := guarantee.Case{
		Source:    tr.source.History(),
		Target:    seg.recorder.History(),
		CursorKey: cursorKey.String(),
		Decode:    decodeCursor,
		Selection: rules,
	}
	for _, g := range []struct {
		name  string
		holds func(guarantee.Case) error
	}{
		{"Prefix", guarantee.Prefix},
		{"Atomic", guarantee.Atomic},
		{"Ordered", guarantee.Ordered},
		{"Once", guarantee.Once},
		{"Resumable", guarantee.Resumable},
		{"Convergent", guarantee.Convergent},
		{"Contained", guarantee.Contained},
	} {
		t.Run(g.name, func(t *testing.T) {
			if err := g.holds(c); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("Fenced", func(t *testing.T) { oneOwnerAfterAnother(t, c) })
	t.Run("Honest", func(t *testing.T) {
		claims, _ := s.reports.since(0)
		honest(t, claims, tr.sourceOf, rules)
	})
}

// oneOwnerAfterAnother makes sure that no importer moved the cursor again
// after another one had taken it over.
func oneOwnerAfterAnother(t *testing.T, c guarantee.Case) {
	t.Helper()
	last, gone := "", map[string]bool{}
	for _, rev := range c.Target.Revs {
		for _, e := range rev.Events {
			if e.Key != c.CursorKey {
				continue
			}
			var cursor target.Cursor
			if err := json.Unmarshal([]byte(e.Value), &cursor); err != nil {
				t.Fatal(err)
			}
			if gone[cursor.Owner] {
				t.Errorf("target revision %d: %s moves the cursor after %s had taken it over", rev.Revision, cursor.Owner, last)
			}
			if last != "" && cursor.Owner != last {
				gone[last] = true
			}
			last = cursor.Owner
		}
	}
	if len(gone) < 3 {
		t.Errorf("only %d owners were replaced: the test did not do what it claims", len(gone))
	}
}
