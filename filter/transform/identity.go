package transform

import (
	"fmt"
	"strings"
)

// identity is what makes an object this object.
type identity struct {
	apiVersion, kind, namespace, name string
}

func identityOf(obj map[string]any) identity {
	meta, _ := obj["metadata"].(map[string]any)
	return identity{
		apiVersion: text(obj["apiVersion"]),
		kind:       text(obj["kind"]),
		namespace:  text(meta["namespace"]),
		name:       text(meta["name"]),
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// group is the API group; the core group is "".
func (i identity) group() string {
	group, _, grouped := strings.Cut(i.apiVersion, "/")
	if !grouped {
		return ""
	}
	return group
}

func (i identity) String() string {
	if i.namespace == "" {
		return i.kind + " " + i.name
	}
	return i.kind + " " + i.namespace + "/" + i.name
}

// unchanged refuses another identity.
func (i identity) unchanged(now identity) error {
	if i == now {
		return nil
	}
	return fmt.Errorf("it would make %s %q of it; a step never changes what an object is", now, now.apiVersion)
}

// identityFields are what a step other than namespace must leave alone.
var identityFields = [][]string{
	{"kind"},
	{"apiVersion"},
	{"metadata", "name"},
	{"metadata", "namespace"},
}

// clusterFields are decided by each cluster for itself. Carried over they are
// at best ignored, and an owner that does not exist there is an order to
// delete.
var clusterFields = [][]string{
	{"metadata", "uid"},
	{"metadata", "resourceVersion"},
	{"metadata", "generation"},
	{"metadata", "generateName"},
	{"metadata", "creationTimestamp"},
	{"metadata", "deletionTimestamp"},
	{"metadata", "deletionGracePeriodSeconds"},
	{"metadata", "managedFields"},
	{"metadata", "ownerReferences"},
	{"metadata", "selfLink"},
}

// identityTouched refuses a change of a place that holds a part of the
// identity, is inside of one, or is above one.
func identityTouched(path []string) *flaw {
	for _, field := range identityFields {
		if touches(path, field) {
			return &flaw{dotted(path) + " cannot be changed: it is part of what the object is", identityHint(path, field)}
		}
	}
	return nil
}

func identityHint(path, field []string) string {
	switch {
	case len(path) == 0:
		return "name a field"
	case len(path) < len(field):
		return "name a field inside of " + dotted(path)
	case field[len(field)-1] == "namespace":
		return "use a namespace step"
	default:
		return "leave it out"
	}
}

// clusterTouched refuses to give a value to what each cluster decides.
func clusterTouched(path []string) *flaw {
	for _, field := range clusterFields {
		if len(path) >= len(field) && touches(path, field) {
			return &flaw{dotted(path) + " cannot be set: each cluster decides it for itself", "leave it out"}
		}
	}
	return nil
}

// touches reports whether one path leads through or to the other.
func touches(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func dotted(path []string) string {
	if len(path) == 0 {
		return "the whole object"
	}
	return strings.Join(path, ".")
}
