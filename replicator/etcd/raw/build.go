package raw

import (
	"bytes"
	"maps"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// ontoOld makes the stored object out of the wanted one and what stands in its
// place. Without a wanted one it only judges the place.
func (o *objectChange) ontoOld(wanted *object.Object, intent map[string]any) verdict {
	var fields map[string]any
	if o.old == nil {
		if wanted != nil {
			fields = born(o.k, runtime.DeepCopyJSON(intent))
		}
	} else {
		old, v := o.mayReplace(wanted, intent)
		if v.why != "" {
			return v
		}
		if wanted != nil {
			fields = onto(old, intent)
		}
	}
	if wanted == nil {
		return verdict{change: change.Change{Op: change.Put, Key: o.at, Value: make([]byte, len(o.Value)+growth+len(o.Key))}}
	}
	setMark(metadataOf(fields), o.t.mark(o.Key))
	value, err := object.Canonical(fields)
	if err != nil {
		return invalid(err)
	}
	// What does not come back as it was delivered would be written for ever.
	if back, err := o.t.show(o.k, o.Key, value); err != nil || !back.ours || !bytes.Equal(back.value, o.Value) {
		return no(tryKubernetes, "it cannot be written without losing what the edge has decided about it")
	}
	return verdict{change: change.Change{Op: change.Put, Key: o.at, Value: value}}
}

// growth bounds what a stored object has beyond the intent and the key, except
// for what the edge has written into it.
const growth = 1 << 10

// mayReplace judges what stands in the place of an object.
func (o *objectChange) mayReplace(wanted *object.Object, intent map[string]any) (object.Object, verdict) {
	old, err := object.Decode(o.k, o.old)
	if err != nil {
		reason, _ := words(err)
		return old, no(tryKubernetes, "what the edge holds of it cannot be read: %s", reason)
	}
	m, err := object.ReadMeta(o.old)
	if err != nil {
		return old, invalid(err)
	}
	if m.Deleting {
		return old, waiting("wait until it is gone; then syncer parked retry", "the edge is deleting it, and writing it would undo that")
	}
	if reason, withheld := object.Withheld(o.k, m); withheld {
		return old, no(tryPolicy, "what the edge has under its name is the edge's own: %s", reason)
	}
	if wanted == nil {
		return old, verdict{}
	}
	was := old.Intent()
	unmark(was)
	if frozen(o.k, old.Fields(), was, intent) {
		return old, no("delete it at the edge; then syncer parked retry", "what the edge holds of it is immutable, and those who read it would not hear of a change")
	}
	return old, verdict{}
}

// frozen reports whether the API server would refuse to change the content of a
// ConfigMap or a Secret in place.
func frozen(k object.Key, old, was, intent map[string]any) bool {
	if word := k.Word(); word != "configmaps" && word != "secrets" {
		return false
	}
	differ := func(names ...string) bool {
		for _, n := range names {
			if !reflect.DeepEqual(was[n], intent[n]) {
				return true
			}
		}
		return false
	}
	immutable, _ := old["immutable"].(bool)
	return differ("type") || immutable && differ("data", "binaryData", "immutable")
}

// born is a new object: what the API server adds to every one on its way in.
func born(k object.Key, fields map[string]any) map[string]any {
	metadata := metadataOf(fields)
	metadata["uid"] = string(uuid.NewUUID())
	metadata["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	if _, specified := fields["spec"]; specified {
		metadata["generation"] = int64(1)
	}
	if k.Word() == "namespaces" {
		// Without the finalizer a later delete would leave its content behind.
		fields["spec"] = map[string]any{"finalizers": []any{"kubernetes"}}
		fields["status"] = map[string]any{"phase": "Active"}
		labels, ok := metadata["labels"].(map[string]any)
		if !ok {
			labels = map[string]any{}
			metadata["labels"] = labels
		}
		labels["kubernetes.io/metadata.name"] = k.Name
	}
	return fields
}

// onto brings an object to another intent and keeps what its cluster decided: its
// UID, its status, its owners and finalizers, and what controllers filled in.
func onto(old object.Object, intent map[string]any) map[string]any {
	was := old.Intent()
	unmark(was)
	fields := runtime.DeepCopyJSON(old.Fields())
	overlay(fields, was, intent)
	metadata := metadataOf(fields)
	delete(metadata, "managedFields") // they say who set what, which is no longer so
	if metadata["uid"] == nil {
		metadata["uid"] = string(uuid.NewUUID())
	}
	if generation, counts := metadata["generation"].(int64); counts && !sameBut("metadata", was, intent) {
		metadata["generation"] = generation + 1
	}
	return fields
}

func metadataOf(fields map[string]any) map[string]any {
	m, ok := fields["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		fields["metadata"] = m
	}
	return m
}

// overlay makes in fields the changes that lead from was to want. Lists are
// replaced as a whole.
func overlay(fields, was, want map[string]any) {
	for name := range was {
		if _, stays := want[name]; !stays {
			delete(fields, name)
		}
	}
	for name, value := range want {
		old, had := was[name]
		if had && reflect.DeepEqual(old, value) {
			continue
		}
		f, a := fields[name].(map[string]any)
		w, b := old.(map[string]any)
		v, c := value.(map[string]any)
		switch {
		case a && b && c:
			overlay(f, w, v)
		case a && c: // all that stands there is of the edge's cluster
			overlay(f, map[string]any{}, v)
		default:
			fields[name] = runtime.DeepCopyJSONValue(value)
		}
	}
}

func sameBut(name string, a, b map[string]any) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, name)
	delete(b, name)
	return reflect.DeepEqual(a, b)
}
