package e2e

import (
	"maps"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/status"
)

// orphanPolicy leaves at edges what is selected no more.
var orphanPolicy = strings.Replace(syncedPolicy, "      labels: sync=true\n", "      labels: sync=true\n      onLeave: orphan\n", 1)

const shopMaps = "/kubernetes/configmaps/shop/"

// released are the names of the objects that the edge keeps as its own.
func (s *site) released() (names []string) {
	const prefix = "/syncer/released/cloud/flags/" + shopMaps
	for key := range s.content(s.target.Client(), prefix) {
		names = append(names, strings.TrimPrefix(key, prefix))
	}
	return names
}

// keeps waits until the edge is in sync, by counts of the exporter's digest, and
// holds exactly these objects.
func (s *site) keeps(what string, since int, keys uint64, want map[string]string) {
	s.t.Helper()
	s.reportSince(since, what+": in sync", func(e status.Edge) bool {
		return e.State == status.InSync && e.Keys == keys && e.VerifiedRevision >= s.sourceRevision()
	})
	if got := s.objects(); !maps.Equal(got, want) {
		s.t.Errorf("%s: the edge holds %v, want %v", what, got, want)
	}
}

// What leaves a rule with onLeave: orphan stays at the edge and is the edge's
// own: it may be edited and deleted there, and the edge is in sync all the
// same. What the source selects again is taken over.
func TestOrphanStaysAtTheEdge(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(orphanPolicy))
	for _, name := range []string{"kept", "edited", "gone", "returns"} {
		s.putConfigMap(name, "true")
	}
	stopExporter, stopImporter := s.startExporter(), s.startImporter()
	s.report("is in sync with four objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 4 })
	want := s.objects()

	mark := s.reports.mark()
	for _, name := range []string{"edited", "gone", "returns"} {
		s.putConfigMap(name, "false")
	}
	s.keeps("released", mark, 4, want)
	if n := len(s.released()); n != 3 {
		t.Errorf("%d keys are released", n)
	}

	mark = s.reports.mark()
	s.putTarget(shopMaps+"edited", "by the edge")
	want[shopMaps+"edited"] = "by the edge"
	s.putConfigMap("kept", "true") // a revision to be verified at
	s.keeps("edited", mark, 4, want)

	mark = s.reports.mark()
	if _, err := s.source.Client().Delete(t.Context(), "/registry/configmaps/shop/gone"); err != nil {
		t.Fatal(err)
	}
	s.keeps("deleted at the source", mark, 4, want)

	stopImporter()
	mark = s.reports.mark()
	stopImporter = s.startImporter()
	s.keeps("importer started anew", mark, 4, want)

	mark = s.reports.mark()
	s.putConfigMap("returns", "true")
	s.keeps("taken over", mark, 4, want)
	if n := len(s.released()); n != 2 {
		t.Errorf("%d keys are released", n)
	}

	stopImporter()
	s.remove(s.edge.DataDir + "/inbox.db")
	mark = s.reports.mark()
	s.startImporter()
	s.keeps("inbox lost", mark, 4, want)

	stopExporter()
	s.putConfigMap("gone", "false") // what no exporter knows of, no exporter keeps
	s.remove(s.indexFile())
	mark = s.reports.mark()
	s.startExporter()
	s.keeps("index lost", mark, 4, want)
	for _, e := range s.all() {
		if e.Mismatches > 0 {
			t.Errorf("an edit of a released object counted as a mismatch: %+v", e)
			break
		}
	}
}

// An edge that lost everything gets what is selected; what was released before
// is not there any more, and counts as released all the same.
func TestWipedEdgeHasNoOrphans(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(orphanPolicy))
	s.putConfigMap("kept", "true")
	s.putConfigMap("released", "true")
	s.startExporter()
	stopImporter := s.startImporter()
	s.report("is in sync with two objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 2 })
	mark := s.reports.mark()
	want := s.objects()
	s.putConfigMap("released", "false")
	s.keeps("released", mark, 2, want)
	stopImporter()
	if err := s.target.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(want, shopMaps+"released")
	mark = s.reports.mark()
	s.startImporter()
	s.keeps("wiped", mark, 2, want)
	mark = s.reports.mark()
	s.putTarget(shopMaps+"released", "made by the edge")
	want[shopMaps+"released"] = "made by the edge"
	s.putConfigMap("kept", "true")
	s.keeps("made by the edge", mark, 2, want)
}

// A rule that had onLeave: orphan and deletes now deletes what its edges kept,
// as long as the rule is about it.
func TestOrphansOfARuleThatDeletes(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(orphanPolicy))
	d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.putConfigMap("selected", "true")
	s.putConfigMap("released", "true")
	s.report("is in sync with two objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 2 })
	mark := s.reports.mark()
	want := s.objects()
	s.putConfigMap("released", "false")
	s.keeps("released", mark, 2, want)
	mark = s.reports.mark()
	delete(want, shopMaps+"released")
	s.changePolicy(d, syncedPolicy)
	s.keeps("deletes", mark, 1, want)
}

// A rule with onLeave: orphan that is dropped from the policy, under load, leaves
// everything at the edge, and nothing remembers it.
func TestOrphansOfADroppedRule(t *testing.T) {
	t.Parallel()
	flags := "    - name: flags\n      prefix: /flags/\n"
	s := newSite(t, withPolicy(orphanPolicy+flags))
	d := &daemons{stopExporter: s.startExporter(), stopImporter: s.startImporter()}
	s.putConfigMap("selected", "true")
	s.putConfigMap("released", "true")
	s.put("/flags/a", "1")
	s.report("is in sync with three keys", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 3 })
	mark := s.reports.mark()
	want := s.objects()
	s.putConfigMap("released", "false")
	s.keeps("released", mark, 3, want)
	mark = s.reports.mark()
	head, _, _ := strings.Cut(syncedPolicy, "    - name: shop")
	quiet := s.rewrites("/flags/a")
	s.goesOn()
	s.changePolicy(d, head+flags)
	s.reportSince(mark, "has one key left", func(e status.Edge) bool { return e.Keys == 1 })
	s.goesOn()
	quiet()
	s.keeps("rule dropped", mark, 1, want)
	if rest := s.content(s.target.Client(), "/flags/"); !maps.Equal(rest, s.content(s.source.Client(), "/flags/")) {
		t.Errorf("the rule that stays holds %v", rest)
	}
	if names := s.released(); len(names) > 0 {
		t.Errorf("the edge still knows %v as released", names)
	}
}
