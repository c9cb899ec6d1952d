package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/testbed"
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
	return guarantee.Cursor{Lineage: c.Lineage.String(), Revision: c.Revision, Consistent: c.Consistent && c.Parked == 0, Torn: c.Torn}, err
}

// truth records what really happens at both ends. An end that is set back or
// wiped begins another history.
type truth struct {
	s       *site
	source  *history.Recorder
	targets []*segment
	// past holds the histories of sources that are no more, by the lineages
	// that were seen in their time.
	past map[string]*history.Recorder
	// edited is the keys of the selection that the test wrote at the target. The
	// replica puts them right; until then nothing can be said of them.
	edited map[string]bool // delivered keys that somebody wrote at the target
}

// segment is one unbroken history of the target.
type segment struct {
	recorder *history.Recorder
	local    map[int64]bool // revisions that the test wrote
}

func (s *site) record() *truth {
	s.t.Helper()
	tr := &truth{s: s, past: map[string]*history.Recorder{}, edited: map[string]bool{}}
	tr.source = tr.follow(s.source)
	tr.targets = []*segment{{recorder: tr.follow(s.target), local: map[int64]bool{}}}
	return tr
}

func (tr *truth) follow(etcd *testbed.Etcd) *history.Recorder {
	tr.s.t.Helper()
	r, err := history.Record(tr.s.t.Context(), etcd.Client())
	if err != nil {
		tr.s.t.Fatal(err)
	}
	tr.s.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (tr *truth) target() *segment { return tr.targets[len(tr.targets)-1] }

// breakTarget ends the target's history with fault and begins another.
func (tr *truth) breakTarget(fault func() error) {
	tr.s.t.Helper()
	if err := tr.target().recorder.Close(); err != nil {
		tr.s.t.Fatal(err)
	}
	if err := fault(); err != nil {
		tr.s.t.Fatal(err)
	}
	tr.targets = append(tr.targets, &segment{recorder: tr.follow(tr.s.target), local: map[int64]bool{}})
}

// restartTarget begins another record of the target, from what it holds now.
func (tr *truth) restartTarget() {
	tr.s.t.Helper()
	tr.catchUp(tr.target().recorder)
	tr.breakTarget(func() error { return nil })
}

// breakSource ends the source's history with fault and begins another.
func (tr *truth) breakSource(fault func() error) {
	tr.s.t.Helper()
	tr.catchUp(tr.source)
	tr.catchUp(tr.target().recorder)
	if err := tr.source.Close(); err != nil {
		tr.s.t.Fatal(err)
	}
	for _, lineage := range tr.lineages() {
		if tr.past[lineage] == nil {
			tr.past[lineage] = tr.source
		}
	}
	if err := fault(); err != nil {
		tr.s.t.Fatal(err)
	}
	tr.source = tr.follow(tr.s.source)
}

func (tr *truth) catchUp(r *history.Recorder) {
	tr.s.t.Helper()
	ctx, cancel := context.WithTimeout(tr.s.t.Context(), patience)
	defer cancel()
	if _, err := r.CatchUp(ctx); err != nil {
		tr.s.t.Fatal(err)
	}
}

// cursors is every cursor that the target ever had, in order.
func (tr *truth) cursors() []guarantee.Cursor {
	tr.s.t.Helper()
	var out []guarantee.Cursor
	for _, seg := range tr.targets {
		for _, rev := range seg.recorder.History().Revs {
			for _, e := range rev.Events {
				if e.Key != cursorKey.String() || e.Delete {
					continue
				}
				c, err := decodeCursor(e.Value)
				if err != nil {
					tr.s.t.Fatal(err)
				}
				out = append(out, c)
			}
		}
	}
	return out
}

func (tr *truth) lineages() []string {
	var out []string
	for _, c := range tr.cursors() {
		if c.Lineage != "" && !slices.Contains(out, c.Lineage) {
			out = append(out, c.Lineage)
		}
	}
	return out
}

func (tr *truth) sourceOf(lineage string) history.History {
	if r := tr.past[lineage]; r != nil {
		return r.History()
	}
	return tr.source.History()
}

// check holds every guarantee against the recorded histories, and every claim
// of the edge against the source's.
func (s *site) check(tr *truth) {
	s.t.Helper()
	tr.catchUp(tr.source)
	tr.catchUp(tr.target().recorder)
	sources := map[string]history.History{"": tr.source.History()}
	for _, lineage := range tr.lineages() {
		sources[lineage] = tr.sourceOf(lineage)
	}
	for i, seg := range tr.targets {
		c := guarantee.Case{
			Sources:   sources,
			Target:    seg.recorder.History(),
			CursorKey: cursorKey.String(),
			Decode:    decodeCursor,
			Selection: guarantee.Except{Selection: rules, Keys: tr.edited},
			Local:     func(revision int64) bool { return seg.local[revision] },
		}
		err := following(c)
		if i == len(tr.targets)-1 { // those before were broken before they could converge
			err = errors.Join(err, guarantee.Convergent(c))
		}
		c.Selection = rules
		if err := errors.Join(err, guarantee.Contained(c)); err != nil {
			s.t.Errorf("guarantees broken in target history %d:\n%v", i, err)
		}
	}
	claims, _ := s.reports.since(0)
	honest(s.t, claims, tr.sourceOf, rules)
}

// following is every guarantee that holds of the selection at any time.
func following(c guarantee.Case) error {
	return errors.Join(
		guarantee.Prefix(c), guarantee.Atomic(c), guarantee.Ordered(c), guarantee.Once(c),
		guarantee.Resumable(c),
	)
}

// writeTarget writes at the target as a local user does.
func (tr *truth) writeTarget(ops ...clientv3.Op) {
	tr.s.t.Helper()
	resp, err := tr.s.target.Client().Txn(tr.s.t.Context()).Then(ops...).Commit()
	if err != nil {
		tr.s.t.Fatal(err)
	}
	tr.target().local[resp.Header.Revision] = true
	for _, op := range ops {
		if key := string(op.KeyBytes()); rules.Owns(key) {
			tr.edited[key] = true
		}
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
		s.t.Errorf("workload: %v", err)
	}
	s.t.Logf("workload: %v", report)
}

func TestGuaranteesWhileFollowing(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
