package raw

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

func configMap(namespace, name, value string) map[string]any {
	return of("v1", "ConfigMap", namespace, name, map[string]any{"data": map[string]any{"a": value}})
}

func secret(namespace, name, value string) map[string]any {
	return of("v1", "Secret", namespace, name, map[string]any{"data": map[string]any{"a": value}, "type": "Opaque"})
}

func widget(namespace, name string, size int64) map[string]any {
	return of("example.com/v1", "Widget", namespace, name, map[string]any{"spec": map[string]any{"size": size}})
}

// watched gives the types of the events of one object.
func (e *edge) watched(resource schema.GroupVersionResource, name string) func(want watch.EventType) {
	e.t.Helper()
	objects, err := dynamic.NewForConfig(e.plane.Config)
	if err != nil {
		e.t.Fatal(err)
	}
	w, err := objects.Resource(resource).Namespace(e.namespace).Watch(e.t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(w.Stop)
	return func(want watch.EventType) {
		e.t.Helper()
		select {
		case event := <-w.ResultChan():
			if event.Type != want {
				e.t.Errorf("the watch of %s tells of %s; want %s", resource.Resource, event.Type, want)
			}
		case <-time.After(30 * time.Second):
			e.t.Errorf("the watch of %s tells nothing; want %s", resource.Resource, want)
		}
	}
}

// What is written past the API server is served by it: by GET, by LIST, and to
// those who watch; and the edge holds what was delivered, also after the server
// has written the objects again.
func TestWrittenObjectsAreServed(t *testing.T) {
	e := newEdge(t, "secrets")
	kinds := []struct {
		word     string
		resource schema.GroupVersionResource
		make     func(n int) map[string]any
		value    func(served map[string]any) any
	}{
		{"configmaps", schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
			func(n int) map[string]any { return configMap(e.namespace, "one", fmt.Sprint(n)) },
			func(o map[string]any) any { return field(o, "data", "a") }},
		{"secrets", schema.GroupVersionResource{Version: "v1", Resource: "secrets"},
			func(n int) map[string]any { return secret(e.namespace, "one", []string{"", "MQ==", "Mg=="}[n]) },
			func(o map[string]any) any { return map[any]string{"MQ==": "1", "Mg==": "2"}[field(o, "data", "a")] }},
		{"widgets.example.com", schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"},
			func(n int) map[string]any { return widget(e.namespace, "one", int64(n)) },
			func(o map[string]any) any { return fmt.Sprint(field(o, "spec", "size")) }},
	}
	var tells []func(watch.EventType)
	for _, k := range kinds {
		tells = append(tells, e.watched(k.resource, "one"))
	}
	for n, event := range []watch.EventType{watch.Added, watch.Modified} {
		var all []change.Change
		for _, k := range kinds {
			all = append(all, e.put(k.word, k.make(n+1)))
		}
		e.write(all...)
		e.holds(all...)
		for i, k := range kinds {
			tells[i](event)
			if got := k.value(e.get(k.word, "one")); got != fmt.Sprint(n+1) {
				t.Errorf("%s: GET shows %v; want %d", k.word, got, n+1)
			}
			if list, err := e.client.List(t.Context(), k.word, e.namespace); err != nil || len(list) == 0 {
				t.Errorf("%s: LIST shows %v, %v", k.word, list, err)
			}
			if _, err := e.client.ApplyAs(t.Context(), "another", k.make(n+1)); err != nil { // the server writes it again
				t.Errorf("%s: %v", k.word, err)
			}
			tells[i](watch.Modified)
		}
		e.holds(all...)
	}
	var gone []change.Change
	for _, k := range kinds {
		gone = append(gone, del(keyOf(k.make(1), k.word)))
	}
	e.write(gone...)
	for i := range kinds {
		tells[i](watch.Deleted)
	}
	e.holds()
}

// A status is the edge's: that a controller writes one is no edit, and stays
// through the next change.
func TestAStatusStaysAndIsNoEdit(t *testing.T) {
	e := newEdge(t)
	first := e.put("widgets.example.com", widget(e.namespace, "one", 1))
	rev := e.write(first)
	objects, err := dynamic.NewForConfig(e.plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	at := objects.Resource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}).Namespace(e.namespace)
	_, err = at.Patch(t.Context(), "one", types.MergePatchType, []byte(`{"status":{"ready":true}}`), metav1.PatchOptions{FieldManager: "controller"}, "status")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.ApplyAs(t.Context(), "person", of("v1", "ConfigMap", e.namespace, "local", nil)); err != nil {
		t.Fatal(err) // an object of the edge's own
	}
	e.holds(first)
	e.notices(rev)
	uid := field(e.get("widgets.example.com", "one"), "metadata", "uid")

	second := e.put("widgets.example.com", widget(e.namespace, "one", 2))
	e.write(second)
	now := e.get("widgets.example.com", "one")
	if field(now, "status", "ready") != true || field(now, "metadata", "uid") != uid || field(now, "metadata", "generation") != int64(2) {
		t.Errorf("after a change it is %v", now)
	}
	e.holds(second)

	rev = e.revision()
	local := widget(e.namespace, "one", 5)
	if _, err := e.client.ApplyAs(t.Context(), "person", local); err != nil {
		t.Fatal(err)
	}
	e.notices(rev, target.Local{Key: second.Key, Value: intent(t, local), By: "person"})
	if value, found, err := e.Before(t.Context(), second.Key, rev+1); err != nil || !found || string(value) != string(second.Value) {
		t.Errorf("before the edit it was %s, %v, %v", value, found, err)
	}
	rev = e.revision()
	if err := e.client.Delete(t.Context(), "widgets.example.com", e.namespace, "one"); err != nil {
		t.Fatal(err)
	}
	e.notices(rev, target.Local{Key: second.Key, Deleted: true})
}

// notices wants the watch and the audit to tell of these writes of others behind
// a revision, and of no others.
func (e *edge) notices(since int64, want ...target.Local) {
	e.t.Helper()
	end := e.revision()
	ctx, stop := context.WithCancelCause(e.t.Context())
	defer stop(nil)
	var got []target.Local
	done := fmt.Errorf("done")
	err := e.Watch(ctx, everything(), since, func(writes []target.Local, seen int64) error {
		for _, w := range writes {
			w.Revision = 0
			got = append(got, w)
		}
		if seen >= end {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		e.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		e.t.Errorf("the watch tells of %+v; want %+v", got, want)
	}
	a, err := e.Audit(e.t.Context(), everything(), since, 0, func(int64) bool { return false })
	if err != nil {
		e.t.Fatal(err)
	}
	edited := len(want) > 0 && !want[0].Deleted
	if (a.Foreign != nil) != edited {
		e.t.Errorf("the audit finds %q", a.Foreign)
	}
}
