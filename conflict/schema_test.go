package conflict

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	all "k8s.io/client-go/kubernetes/scheme"
)

// Every built-in kind whose type says how to merge something, other than in its
// status, is in the scheme.
func TestSchemeHasWhatHasMergeKeys(t *testing.T) {
	found := 0
	for _, gv := range all.Scheme.PrioritizedVersionsAllGroups() {
		stable := schema.GroupVersion{Group: gv.Group, Version: "v1"}
		if gv.Group == "extensions" || gv != stable && all.Scheme.IsVersionRegistered(stable) && gv.Group != "scheduling.k8s.io" {
			continue // objects are delivered in the version that is stable
		}
		for kind, of := range all.Scheme.KnownTypes(gv) {
			if !says(of, map[reflect.Type]bool{}) {
				continue
			}
			found++
			if !scheme().Recognizes(schema.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: kind}) {
				t.Errorf("%s %s is merged without its merge keys", gv, kind)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d kinds have merge keys", found)
	}
}

// says reports whether a type has a merge key or strategy in it. Metadata is
// known of all kinds, and status never crosses.
func says(t reflect.Type, seen map[reflect.Type]bool) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return false
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "Status" || f.Name == "ObjectMeta" || f.Name == "ListMeta" {
			continue
		}
		if f.Tag.Get("patchStrategy") != "" || says(f.Type, seen) {
			return true
		}
	}
	return false
}

func TestShapes(t *testing.T) {
	at := place{shape: shapeOf(map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet"})}
	for _, name := range []string{"spec", "template", "spec", "containers"} {
		at = at.field(name)
	}
	if at.how.key != "name" || at.path != "spec.template.spec.containers" {
		t.Errorf("%+v", at)
	}
	if ports := at.entry("name=a").field("ports"); ports.how.key != "containerPort" {
		t.Errorf("%+v", ports)
	}
	if labels := shapeOf(map[string]any{"apiVersion": "example.com/v1", "kind": "Widget"}).field("metadata").field("labels"); !labels.free() {
		t.Errorf("%+v", labels)
	}
	if s := shapeOf(map[string]any{"apiVersion": "a/b/c", "kind": "Widget"}); s.of != nil {
		t.Errorf("%+v", s)
	}
}
