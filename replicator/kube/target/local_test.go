package target

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

func TestEditsShowAndOthersFieldsDoNot(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	edited, gone, added := configMap(e.ns, "edited", "1"), configMap(e.ns, "gone", "1"), configMap(e.ns, "added", "1")
	again, untouched := configMap(e.ns, "again", "1"), configMap(e.ns, "untouched", "1")
	e.mustCommit(1, namespace(e.ns), edited, gone, added, again, untouched)
	since, err := e.Scan(t.Context(), e.ranges(), func([]change.KV) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	e.edit(edited, `{"data":{"a":"theirs"}}`)
	e.deleteAtEdge(gone)
	e.edit(added, `{"data":{"b":"theirs"},"metadata":{"labels":{"who":"edge"}}}`)
	e.deleteAtEdge(again)
	if err := e.plane.Client().Apply(t.Context(), decoded(t, configMap(e.ns, "again", "theirs"))); err != nil {
		t.Fatal(err)
	}
	audit, err := e.Audit(t.Context(), e.ranges(), since, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if audit.Count != 5 || string(audit.Foreign) != string(again.Key) && string(audit.Foreign) != string(edited.Key) {
		t.Errorf("audit: %d keys, foreign %q", audit.Count, audit.Foreign)
	}
	got := e.holds()
	for _, want := range []change.Change{configMap(e.ns, "edited", "theirs"), configMap(e.ns, "again", "theirs"), added, untouched} {
		if got[string(want.Key)] != string(want.Value) {
			t.Errorf("%s is scanned as %s, want %s", want.Key, got[string(want.Key)], want.Value)
		}
	}
	if v, ok := got[string(gone.Key)]; ok {
		t.Errorf("the deleted object is scanned as %s", v)
	}
	e.mustCommit(2, edited, gone, added, again) // source wins
	for _, c := range []change.Change{edited, gone, added, again} {
		if got := e.holds()[string(c.Key)]; got != string(c.Value) {
			t.Errorf("after it was applied again %s is %s", c.Key, got)
		}
	}
	if v, _, _ := unstructuredString(e.live(added).Object, "data", "b"); v != "theirs" {
		t.Error("a field of the edge's own is gone")
	}
}

// A commit that is guarded goes over nothing that its caller was not told of.
func TestGuardsKeepEditsOfTheEdge(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	edited, gone, made := configMap(e.ns, "edited", "1"), configMap(e.ns, "gone", "1"), configMap(e.ns, "made", "1")
	e.mustCommit(1, namespace(e.ns), edited, gone)
	newest := func([]byte) int64 { return e.modRev() }
	e.edit(edited, `{"data":{"a":"theirs"}}`)
	e.deleteAtEdge(gone)
	if err := e.plane.Client().Apply(t.Context(), decoded(t, configMap(e.ns, "made", "theirs"))); err != nil {
		t.Fatal(err)
	}
	before := e.modRev()
	for _, c := range []change.Change{configMap(e.ns, "edited", "2"), configMap(e.ns, "gone", "2"), made, remove(edited)} {
		_, err := e.Commit(t.Context(), target.Tx{Changes: []change.Change{c}, Newest: newest})
		var dirty *target.Dirty
		if !errors.As(err, &dirty) || dirty.Revision <= before {
			t.Errorf("%s: %v", c.Key, err)
		}
	}
	if e.live(gone) != nil {
		t.Error("what the edge deleted is made again")
	}
	if v, _, _ := unstructuredString(e.live(edited).Object, "data", "a"); v != "theirs" {
		t.Error("an edit is gone")
	}
	// Whoever was told decides.
	told := func([]byte) int64 { return 1 << 60 }
	after := []change.Change{configMap(e.ns, "edited", "2"), configMap(e.ns, "gone", "2"), made}
	if _, err := e.Commit(t.Context(), target.Tx{Changes: after, Newest: told}); err != nil {
		t.Fatal(err)
	}
	for _, c := range after {
		if got := e.holds()[string(c.Key)]; got != string(c.Value) {
			t.Errorf("%s is %s", c.Key, got)
		}
	}
}

// Controllers write status and bookkeeping all the time: that is no edit.
func TestControllersAreNoEditors(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	labels := map[string]any{"app": "web"}
	d := delivered(thing("apps/v1", "Deployment", e.ns, "web", map[string]any{"spec": map[string]any{
		"replicas": 1, "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{
			map[string]any{"name": "web", "image": "a:1", "ports": []any{map[string]any{"containerPort": 80, "protocol": "TCP"}}, "resources": map[string]any{"requests": map[string]any{"cpu": "1000m"}}},
		}}},
	}}))
	e.mustCommit(1, namespace(e.ns), d)
	e.within("a controller to write", func() error {
		if e.live(d).Object["status"].(map[string]any)["observedGeneration"] == nil {
			return errors.New("it has not")
		}
		return nil
	})
	if got := e.holds()[string(d.Key)]; got != string(d.Value) {
		t.Errorf("scanned as %s\nwant %s", got, d.Value)
	}
	o := decoded(t, d)
	o["spec"].(map[string]any)["replicas"] = 2
	next := delivered(o)
	_, err := e.Commit(t.Context(), target.Tx{Changes: []change.Change{next}, Newest: func([]byte) int64 { return 1 }})
	if err != nil {
		t.Errorf("a guarded commit gives %v", err)
	}
}

func TestWatchTellsOfEditsAndOfNothingElse(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	edited, gone, other := configMap(e.ns, "edited", "1"), configMap(e.ns, "gone", "1"), configMap(e.ns, "other", "1")
	e.mustCommit(1, namespace(e.ns), edited, gone, other)
	type call struct {
		writes []target.Local
		seen   int64
	}
	calls := make(chan call, 100)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- e.Watch(ctx, e.ranges(), e.modRev(), func(writes []target.Local, seen int64) error {
			calls <- call{writes, seen}
			return nil
		})
	}()
	defer func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	}()
	next := func() target.Local {
		t.Helper()
		for {
			select {
			case c := <-calls:
				if len(c.writes) > 0 {
					if len(c.writes) > 1 {
						t.Errorf("more than one: %+v", c.writes)
					}
					return c.writes[0]
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing is told")
			}
		}
	}
	<-calls // it is looking
	e.edit(other, `{"data":{"b":"theirs"}}`)
	e.mustCommit(2, configMap(e.ns, "other", "2"))
	e.edit(edited, `{"data":{"a":"theirs"}}`)
	if l := next(); string(l.Key) != string(edited.Key) || string(l.Value) != string(configMap(e.ns, "edited", "theirs").Value) || l.By != "kubectl-edit" || l.Deleted {
		t.Errorf("told of %s: %s by %q", l.Key, l.Value, l.By)
	}
	e.deleteAtEdge(gone)
	l := next()
	if string(l.Key) != string(gone.Key) || !l.Deleted {
		t.Errorf("told of %s: %s", l.Key, l.Value)
	}
	before, found, err := e.Before(ctx, gone.Key, l.Revision)
	if err != nil || !found || string(before) != string(gone.Value) {
		t.Errorf("before: %s, %t, %v", before, found, err)
	}
	// A commit that meets an edit has the watch look up to it.
	made := configMap(e.ns, "made", "1")
	if err := e.plane.Client().Apply(t.Context(), decoded(t, configMap(e.ns, "made", "theirs"))); err != nil {
		t.Fatal(err)
	}
	_, err = e.Commit(ctx, target.Tx{Changes: []change.Change{made}, Newest: func([]byte) int64 { return 1 }})
	var dirty *target.Dirty
	if !errors.As(err, &dirty) {
		t.Fatalf("got %v", err)
	}
	if l := next(); string(l.Key) != string(made.Key) || string(l.Value) != string(configMap(e.ns, "made", "theirs").Value) || l.Revision > dirty.Revision {
		t.Errorf("told of %s: %s at %d", l.Key, l.Value, l.Revision)
	}
}

func TestGetIsWhatStandsAtTheEdge(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c, made := configMap(e.ns, "c", "1"), configMap(e.ns, "made", "theirs")
	e.mustCommit(1, namespace(e.ns), c)
	e.edit(c, `{"data":{"a":"theirs"}}`)
	if err := e.plane.Client().Apply(t.Context(), decoded(t, made)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []change.Change{configMap(e.ns, "c", "theirs"), made} {
		value, rev, err := e.Get(t.Context(), want.Key)
		if err != nil || rev == 0 || string(value) != string(want.Value) {
			t.Errorf("%s is %s at %d, %v", want.Key, value, rev, err)
		}
	}
	for _, key := range []string{"/kubernetes/configmaps/" + e.ns + "/none", "/kubernetes/nothings.example.com/" + e.ns + "/none", "/else"} {
		if value, rev, err := e.Get(t.Context(), []byte(key)); value != nil || rev != 0 || err != nil {
			t.Errorf("%s is %s at %d, %v", key, value, rev, err)
		}
	}
}

// A chunk leaves what is the edge's, and says so, and goes over nothing that its
// caller was not told of.
func TestAChunkLeavesWhatIsTheEdges(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	before, after := configMap(e.ns, "edited", "1"), configMap(e.ns, "edited", "2")
	e.mustCommit(1, namespace(e.ns), before)
	told := e.modRev()
	e.edit(before, `{"data":{"a":"theirs"}}`)
	c := target.Chunk{Range: change.Range{Lo: after.Key, Hi: append(after.Key, 0)}, Want: []change.KV{{Key: after.Key, Value: after.Value}}, Hold: true}
	c.Newest = func([]byte) int64 { return told }
	_, err := e.Replace(t.Context(), c)
	var dirty *target.Dirty
	if !errors.As(err, &dirty) {
		t.Errorf("the chunk was written over an edit: %v", err)
	}
	if _, err := e.Scan(t.Context(), e.ranges(), func([]change.KV) error { return nil }); err != nil {
		t.Fatal(err)
	}
	c.Newest, c.Mine = nil, func(change.KV) bool { return true }
	done, err := e.Replace(t.Context(), c)
	if err != nil || len(done.Mine) != 1 || string(done.Mine[0].Value) != string(after.Value) {
		t.Errorf("what is the edge's is told of as %+v, %v", done, err)
	}
	if got := e.holds()[string(before.Key)]; got != string(configMap(e.ns, "edited", "theirs").Value) {
		t.Errorf("the edge has %s", got)
	}
}
