package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// rules is the policy of the site in the words of the validators.
var rules = guarantee.Rules{
	{Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: "/edge/flags/"},
	{Prefix: "/apps/"},
}

// prefixes mixes keys inside the selection, excluded from it, and outside.
var prefixes = []string{"/flags/", "/flags/private/", "/apps/", "/other/"}

var cursorKey = target.CursorKey{Source: "cloud", Channel: "flags"}

func decodeCursor(value string) (guarantee.Cursor, error) {
	var c target.Cursor
	err := json.Unmarshal([]byte(value), &c)
	return guarantee.Cursor{Lineage: c.Lineage.String(), Revision: c.Revision, Consistent: c.Consistent, Torn: c.Torn}, err
}

// truth records what really happens at both ends.
type truth struct {
	source, target *history.Recorder
}

func (s *site) record() truth {
	s.t.Helper()
	var tr truth
	var err error
	if tr.source, err = history.Record(s.t.Context(), s.source.Client()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = tr.source.Close() })
	if tr.target, err = history.Record(s.t.Context(), s.target.Client()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = tr.target.Close() })
	return tr
}

// check holds every guarantee against the recorded histories.
func (s *site) check(tr truth) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := tr.source.CatchUp(ctx); err != nil {
		s.t.Fatal(err)
	}
	if _, err := tr.target.CatchUp(ctx); err != nil {
		s.t.Fatal(err)
	}
	err := guarantee.Check(guarantee.Case{
		Source:    tr.source.History(),
		Target:    tr.target.History(),
		CursorKey: cursorKey.String(),
		Decode:    decodeCursor,
		Selection: rules,
	})
	if err != nil {
		s.t.Fatalf("guarantees broken:\n%v", err)
	}
}

func (s *site) load(ctx context.Context, l workload.Load) {
	s.t.Helper()
	seed, err := workload.Seed(s.t.Logf)
	if err != nil {
		s.t.Fatal(err)
	}
	l.Seed, l.Shape.Prefixes = seed, prefixes
	report, err := workload.Run(ctx, s.source.Client(), l)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("workload: %v", report)
}

func TestGuaranteesWhileFollowing(t *testing.T) {
	s := newSite(t)
	tr := s.record()
	s.load(t.Context(), workload.Load{Ops: 300})
	s.startExporter()
	s.startImporter()
	s.load(t.Context(), workload.Load{Ops: 3000, Writers: 4})
	s.waitEqual(30 * time.Second)
	s.check(tr)
}

func TestGuaranteesAcrossRestarts(t *testing.T) {
	s := newSite(t)
	tr := s.record()
	stopExporter, stopImporter := s.startExporter(), s.startImporter()
	for range 4 {
		s.load(t.Context(), workload.Load{Ops: 300, Writers: 2})
		stopExporter()
		s.load(t.Context(), workload.Load{Ops: 100, Writers: 2})
		stopExporter = s.startExporter()
		s.load(t.Context(), workload.Load{Ops: 300, Writers: 2})
		stopImporter()
		s.load(t.Context(), workload.Load{Ops: 100, Writers: 2})
		stopImporter = s.startImporter()
	}
	s.waitEqual(30 * time.Second)
	s.check(tr)
}
