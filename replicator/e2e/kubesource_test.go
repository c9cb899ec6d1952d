package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/kube/source"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const stepsPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: steps
      resources: [configmaps, serviceaccounts]
      namespaces: [steps]
      maxDeletePercent: 100
`

// apiSite is a site whose source is a control plane without controllers, read
// through its API server.
func apiSite(t *testing.T) (*site, *story) {
	t.Helper()
	cloud := kube.New(t, kube.Options{NoControllers: true})
	s := newSite(t, withPolicy(stepsPolicy), withSource(cloud.Etcd), readingBy(readAPIServer(cloud)))
	y := s.story(cloud)
	y.apply(object("v1", "Namespace", "", "steps"))
	for _, name := range []string{"kept", "changed", "deleted"} {
		y.setting(name, "1")
	}
	return s, y
}

func (y *story) setting(name, value string) {
	y.s.t.Helper()
	o := object("v1", "ConfigMap", "steps", name)
	o["data"] = map[string]any{"value": value}
	y.apply(o)
}

// meanwhile changes things while nobody can follow.
func (y *story) meanwhile() {
	y.s.t.Helper()
	y.setting("changed", "2")
	y.setting("new", "1")
	y.remove("configmaps", "steps", "deleted")
}

func (y *story) holds(want ...string) {
	y.s.t.Helper()
	got := slices.Sorted(maps.Keys(y.s.content(y.s.target.Client(), "/kubernetes/configmaps/steps/")))
	for i := range want {
		want[i] = "/kubernetes/configmaps/steps/" + want[i]
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		y.s.t.Errorf("the edge holds %q, want %q", got, want)
	}
}

func (y *story) changedIs(value string) {
	y.s.t.Helper()
	const key = "/kubernetes/configmaps/steps/changed"
	want := fmt.Sprintf(`{"apiVersion":"v1","data":{"value":%q},"kind":"ConfigMap","metadata":{"name":"changed","namespace":"steps"}}`, value)
	if got := y.s.content(y.s.target.Client(), key)[key]; got != want {
		y.s.t.Errorf("the edge holds %s, want %s", got, want)
	}
}

// An API server that was away remembers nothing of before. What happened as soon
// as it was back is found by comparing.
func TestAnAPIServerThatWasAway(t *testing.T) {
	t.Parallel()
	s, y := apiSite(t)
	s.startExporter()
	s.startImporter()
	y.step("the edge is attached", func() {})
	y.holds("kept", "changed", "deleted", "step-1")
	before := y.proven()
	y.step("the API server starts anew", func() {
		if err := y.cloud.KillAPIServer(); err != nil {
			t.Fatal(err)
		}
		if err := y.cloud.StartAPIServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		y.meanwhile()
	})
	y.holds("kept", "changed", "new", "step-1", "step-2")
	y.changedIs("2")
	y.goesOn(before)
}

// The exporter was away for longer than the cluster remembers: its etcd is
// compacted, and its API server forgets even sooner.
func TestAHistoryThatTheAPIServerForgot(t *testing.T) {
	t.Parallel()
	s, y := apiSite(t)
	stop := s.startExporter()
	s.startImporter()
	y.step("the edge is attached", func() {})
	before := y.proven()
	stop()
	y.meanwhile()
	rev, err := y.cloud.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := y.cloud.Etcd.Client().Compact(t.Context(), rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if err := y.cloud.KillAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := y.cloud.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.startExporter()
	y.step("the exporter is back", func() {})
	y.holds("kept", "changed", "new", "step-1", "step-2")
	y.changedIs("2")
	y.goesOn(before)
}

// proven waits until the edge has proven that it holds what the source holds.
func (y *story) proven() status.Edge {
	y.s.t.Helper()
	now := y.s.sourceRevision()
	return y.s.report(fmt.Sprint("is in sync at revision ", now), func(e status.Edge) bool {
		return e.State == status.InSync && e.VerifiedRevision >= now
	})
}

// goesOn looks that the history since an earlier report is the same one.
func (y *story) goesOn(since status.Edge) {
	y.s.t.Helper()
	if now := y.proven(); now.Lineage != since.Lineage || now.Resyncs != since.Resyncs {
		y.s.t.Errorf("the edge began anew: it was %+v and is %+v", since, now)
	}
	y.s.exporterReport("tells the tier", func(x status.Exporter) bool { return x.Tier == source.Tier })
}
