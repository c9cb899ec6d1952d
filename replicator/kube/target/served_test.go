package target

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/replicator/change"
)

// versioned is a definition with a version of old objects, and the patch that ends it.
func versioned(group string) (d change.Change, ends string) {
	version := func(name string, served, stored bool) string {
		return fmt.Sprintf(`{"name": %q, "served": %t, "storage": %t, "schema": {"openAPIV3Schema": {"type": "object", "properties":
			{"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}`, name, served, stored)
	}
	d = delivered(thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gadgets."+group, map[string]any{"spec": map[string]any{
		"group": group, "scope": "Namespaced",
		"names":    map[string]any{"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
		"versions": []any{},
	}}))
	both := fmt.Sprintf(`"versions":[%s,%s]`, version("v1", true, false), version("v1alpha1", true, true))
	d.Value = []byte(strings.Replace(string(d.Value), `"versions":[]`, both, 1))
	return d, fmt.Sprintf(`{"spec": {"versions": [%s,%s]}}`, version("v1", true, true), version("v1alpha1", false, false))
}

// An edge that ends a version of a resource keeps its objects in another: nobody has
// deleted them, and a delete from the source deletes them.
func TestVersionThatTheEdgeEnds(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "gadgets")
	d, ends := versioned(e.group)
	gadget := func(name string) change.Change {
		o := thing(e.group+"/v1alpha1", "Gadget", e.ns, name, map[string]any{"spec": map[string]any{"size": 1}})
		return delivered(o)
	}
	stays, goes := gadget("stays"), gadget("goes")
	e.mustCommit(1, namespace(e.ns), d, stays, goes)
	e.edit(d, ends)
	h, _, err := e.inventory.head(goes.Key)
	if err != nil {
		t.Fatal(err)
	}
	e.within("the end of v1alpha1", func() error {
		_, err := e.resource(h, e.ns).Get(t.Context(), "goes", metav1.GetOptions{})
		if !unserved(err) {
			return fmt.Errorf("it is served: %w", err)
		}
		return nil
	})
	_, err = e.verify(t.Context(), e.ranges(), func(key []byte, r record) {
		if r.Edit != nil && r.Edit.Deleted {
			t.Errorf("%s counts as deleted by the edge", key)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	e.mustCommit(2, remove(goes))
	if e.live(goes) != nil {
		t.Error("what the source deleted is still there")
	}
	if e.live(stays) == nil {
		t.Error("what the source did not delete is gone")
	}
}

// What is applied onto an object that the edge has not finished deleting goes with it:
// it waits, and is made again.
func TestPutOntoWhatIsBeingDeletedWaits(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c := configMap(e.ns, "a", "1")
	e.mustCommit(1, namespace(e.ns), c)
	e.edit(c, `{"metadata": {"finalizers": ["example.com/slow"]}}`)
	e.mustCommit(2, remove(c))
	if e.live(c) == nil {
		t.Fatal("the finalizer does not hold it")
	}
	again := configMap(e.ns, "a", "2")
	no := rejected(t, e.commit(3, again))
	if r, ok := no[string(c.Key)]; !ok || r.Why != "waiting" {
		t.Errorf("what is applied meanwhile: %+v", no)
	}
	e.edit(c, `{"metadata": {"finalizers": null}}`)
	e.within("the object", func() error {
		if e.live(c) != nil {
			return errors.New("it is still being deleted")
		}
		return nil
	})
	e.mustCommit(4, again)
	if live := e.live(c); live == nil || live.GetDeletionTimestamp() != nil {
		t.Errorf("made again, there is %v", live)
	}
}

// While an object is written, what others did to it cannot be told from that: what is
// known does not go past it.
func TestALookWaitsForWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c := configMap(e.ns, "a", "1")
	e.mustCommit(1, namespace(e.ns), c)
	e.edit(c, `{"data": {"a": "mine"}}`)
	e.inFlight.add(c.Key)
	looked := make(chan []string, 1)
	go func() {
		var edited []string
		_, err := e.verify(t.Context(), e.ranges(), func(key []byte, r record) {
			if r.Edit != nil {
				edited = append(edited, string(key))
			}
		})
		if err != nil {
			t.Error(err)
		}
		looked <- edited
	}()
	for range 5 { // a look takes two requests
		if _, err := e.now(t.Context(), head{Version: "v1", Resource: "namespaces"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case edited := <-looked:
		t.Errorf("it passed over an edit, and tells of %q", edited)
		looked <- edited
	default:
	}
	e.inFlight.remove(c.Key)
	if edited := <-looked; len(edited) != 1 || edited[0] != string(c.Key) {
		t.Errorf("it tells of %q", edited)
	}
}
