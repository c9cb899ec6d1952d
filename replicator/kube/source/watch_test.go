package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

func configMap(name, value string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "shop"},
		"data":     map[string]any{"value": value},
	}
}

func widget(name string, size int) map[string]any {
	return map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": name, "namespace": "shop"},
		"spec":     map[string]any{"size": int64(size)},
	}
}

func apply(t *testing.T, p *kube.Plane, object map[string]any) {
	t.Helper()
	if err := p.Client().Apply(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, p *kube.Plane, word, name string) {
	t.Helper()
	if err := p.Client().Delete(t.Context(), word, "shop", name); err != nil {
		t.Fatal(err)
	}
}

func revisionOf(t *testing.T, p *kube.Plane) int64 {
	t.Helper()
	rev, err := p.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// Changes of several resources arrive in the one order in which they were made,
// at the revisions that etcd gave them, deletes among them.
func TestWatchTellsWhatEtcdTells(t *testing.T) {
	p := populated(t, kube.Options{Nodes: 1})
	sel := compile(t, some)
	api, truth := open(t, p, sel, Options{}), below(p, sel)
	start := revisionOf(t, p)
	f, want := follow(t, api, start+1), follow(t, truth, start+1)
	for i := range 10 {
		apply(t, p, configMap(fmt.Sprint("c", i%3), fmt.Sprint(i)))
		apply(t, p, widget(fmt.Sprint("w", i%3), i))
		if i%4 == 3 {
			remove(t, p, "configmaps", fmt.Sprint("c", i%3))
			remove(t, p, "widgets.example.com", fmt.Sprint("w", i%3))
		}
	}
	end := revisionOf(t, p)
	got, told := crossing(sel, f.reach(api, end), end), crossing(sel, want.reach(truth, end), end)
	if got != told {
		t.Errorf("the API server told\n%s\netcd told\n%s", got, told)
	}
	if n := strings.Count(got, "\n"); n < 24 {
		t.Errorf("only %d events were compared", n)
	}
	for _, r := range sel.SourceRanges() { // as far as the watch has told
		items, rev, err := api.Read(t.Context(), r)
		if err != nil || rev < end {
			t.Fatalf("read at revision %d: %v", rev, err)
		}
		same(t, sel, r, items, at(t, truth, r, rev))
	}
	if api.Breaks() != 0 {
		t.Errorf("%d breaks", api.Breaks())
	}
}

// An API server that starts anew remembers nothing of before. The watch says so,
// and does not go on as if nothing had happened meanwhile.
func TestRestartOfTheServerEndsTheWatchForAComparison(t *testing.T) {
	p := small(t, kube.Options{})
	sel := compile(t, some)
	api := open(t, p, sel, Options{Patience: time.Minute})
	start := revisionOf(t, p)
	f := follow(t, api, start+1)
	apply(t, p, configMap("before", "1"))
	f.reach(api, revisionOf(t, p))
	if err := p.KillAPIServer(); err != nil {
		t.Fatal(err)
	}
	// The server begins its history at the newest revision: were that the one from
	// which the watch goes on, it would.
	if _, err := p.Etcd.Client().Put(t.Context(), "/elsewhere", "1"); err != nil {
		t.Fatal(err)
	}
	if err := p.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, p, configMap("after", "1"))
	var gone *etcd.Compacted
	if err := f.end(); !errors.As(err, &gone) {
		t.Fatalf("the watch ended with %v", err)
	}
	if gone.Revision != f.resolved+1 {
		t.Errorf("what is missing begins at %d, and all up to %d was told", gone.Revision, f.resolved)
	}
	if api.Breaks() == 0 {
		t.Error("a restart counts as no break")
	}
	end, err := api.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := follow(t, api, end+1)
	apply(t, p, configMap("again", "1"))
	if got := crossing(sel, again.reach(api, revisionOf(t, p)), 1<<62); !strings.Contains(got, "/configmaps/shop/again") {
		t.Errorf("a new watch told %s", got)
	}
}

func TestWatchFromWhereThereIsNoHistory(t *testing.T) {
	p := small(t, kube.Options{})
	api := open(t, p, compile(t, some), Options{})
	for _, from := range []int64{1, 2} {
		var gone *etcd.Compacted
		if err := follow(t, api, from).end(); !errors.As(err, &gone) || gone.Revision != from {
			t.Errorf("a watch from %d ended with %v", from, err)
		}
	}
	var back *etcd.WentBack
	if err := follow(t, api, revisionOf(t, p)+1000).end(); !errors.As(err, &back) {
		t.Errorf("a watch of the future ended with %v", err)
	}
}

// A resource that the cluster does not have is empty, and holds nothing back. It
// is found when it comes, together with what was made of it at once.
func TestResourceThatComesLater(t *testing.T) {
	p := kube.New(t, kube.Options{NoControllers: true})
	sel := compile(t, some)
	api := open(t, p, sel, Options{})
	objects, err := kube.ReadManifests(manifests)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, p, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop"}})
	f := follow(t, api, revisionOf(t, p)+1)
	apply(t, p, configMap("first", "1"))
	f.reach(api, revisionOf(t, p))
	for _, o := range objects {
		if o["kind"] == "CustomResourceDefinition" {
			if err := p.Populate(t.Context(), []map[string]any{o}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Populate(t.Context(), []map[string]any{widget("early", 1)}); err != nil {
		t.Fatal(err)
	}
	var gone *etcd.Compacted
	select {
	case <-f.done:
		if !errors.As(f.err, &gone) {
			t.Fatalf("the watch ended with %v", f.err)
		}
	case <-t.Context().Done():
	}
	for _, r := range sel.SourceRanges() {
		if res, err := api.find(r); err != nil || res.Word != "widgets.example.com" {
			continue
		}
		items, _, err := api.Read(t.Context(), r)
		if err != nil || len(items) != 1 || items[0].ModRevision < gone.Revision {
			t.Errorf("read %d objects from %v: %v", len(items), r, err)
		}
	}
}

// The newest change of all is told though nothing happens after it.
func TestWatchTellsTheNewestChange(t *testing.T) {
	p := small(t, kube.Options{})
	sel := compile(t, some)
	api := open(t, p, sel, Options{})
	f := follow(t, api, revisionOf(t, p)+1)
	for try := range 5 { // the API server writes something itself, but rarely
		apply(t, p, configMap("newest", fmt.Sprint(try)))
		rev := revisionOf(t, p)
		f.reach(api, rev)
		if revisionOf(t, p) == rev {
			return
		}
	}
	t.Error("a change was told only after the next one")
}
