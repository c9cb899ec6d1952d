package target

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// recordOf is what the inventory remembers of an object that was just applied,
// by the server's answer.
func recordOf(p *put, mapping head, answer *unstructured.Unstructured) (*record, error) {
	r := &record{head: mapping, body: body{Applied: p.value}}
	r.UID, r.Seen, r.Sum = string(answer.GetUID()), answer.GetResourceVersion(), p.sum
	fields, err := ownedRaw(answer)
	if err != nil {
		return nil, err
	}
	r.Fields = fields
	owned, err := fieldSet(fields)
	if err != nil {
		return nil, err
	}
	now, ok := shaped(answer.Object, p.object, owned).(map[string]any)
	if ok && !reflect.DeepEqual(now, p.object) {
		r.Shown, err = canonical(now)
	}
	return r, err
}

// judge looks at a live object at the key of a record. It gives the record with
// what it is now: as it was applied, or with what others did to it. What they did
// before, and not since, keeps its revision.
func judge(r record, live *unstructured.Unstructured) (record, error) {
	look := fields
	if string(live.GetUID()) != r.UID {
		look = replaced
	}
	now, err := look(r, live)
	if err == nil && now.Edit != nil && sameEdit(r, now) {
		now.Edit = r.Edit
	}
	return now, err
}

// fields compares what was applied with what is there.
//
// Others have done something when a field that was ours is not ours any more, or
// shows another value. Fields that were never ours do not count, and no status.
func fields(r record, live *unstructured.Unstructured) (record, error) {
	out := r
	out.Seen, out.Edit, out.Edited = live.GetResourceVersion(), nil, nil
	applied, err := decode(r.Applied)
	if err != nil {
		return r, err
	}
	before := applied
	if r.Shown != nil {
		if before, err = decode(r.Shown); err != nil {
			return r, err
		}
	}
	had, err := r.fields()
	if err != nil {
		return r, err
	}
	raw, err := ownedRaw(live)
	if err != nil {
		return r, err
	}
	has, err := fieldSet(raw)
	if err != nil {
		return r, err
	}
	lost := had.Difference(has).Leaves()
	now := shaped(live.Object, applied, had)
	if lost.Empty() && reflect.DeepEqual(now, any(before)) {
		return out, nil
	}
	edited, _ := overlaid(applied, before, now).(map[string]any)
	if out.Edited, err = canonical(edited); err != nil {
		return r, err
	}
	out.Edit = &edit{Revision: revision(live.GetResourceVersion()), By: takenBy(live, lost)}
	if bytes.Equal(out.Edited, r.Applied) {
		// The values are ours, the fields are not: the next apply takes them back.
		out.Edit, out.Edited, out.Sum = nil, nil, nil
	}
	return out, nil
}

// deleted is a record whose object is gone.
func deleted(r record, revision int64) record {
	r.Edit, r.Edited = &edit{Deleted: true, Revision: revision}, nil
	return r
}

// says reports whether an object holds all of what is to be applied, as ours:
// an earlier apply of the same took effect.
func says(p *put, live *unstructured.Unstructured) (bool, error) {
	raw, err := ownedRaw(live)
	if err != nil || raw == nil {
		return false, err
	}
	owned, err := fieldSet(raw)
	if err != nil {
		return false, err
	}
	if !reflect.DeepEqual(shaped(live.Object, p.object, owned), any(p.object)) {
		return false, nil
	}
	mine, ok := extracted(live.Object, owned).(map[string]any)
	return ok && reflect.DeepEqual(unmarked(named(mine, live)), p.object), nil
}

// named adds what nobody owns: what object it is.
func named(o map[string]any, live *unstructured.Unstructured) map[string]any {
	o["apiVersion"], o["kind"] = live.GetAPIVersion(), live.GetKind()
	metadata, ok := o["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		o["metadata"] = metadata
	}
	metadata["name"] = live.GetName()
	if ns := live.GetNamespace(); ns != "" {
		metadata["namespace"] = ns
	}
	return o
}

// owners are the entries of an object that say who owns which field.
func owners(o *unstructured.Unstructured) []map[string]any {
	entries, _, _ := unstructured.NestedSlice(o.Object, "metadata", "managedFields")
	var out []map[string]any
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func isOurs(entry map[string]any) bool {
	return text(entry, "manager") == Manager && text(entry, "operation") == string(metav1.ManagedFieldsOperationApply) && text(entry, "subresource") == ""
}

// ownedRaw are the fields that we own of an object, nil when it is none.
func ownedRaw(o *unstructured.Unstructured) (json.RawMessage, error) {
	for _, e := range owners(o) {
		if isOurs(e) {
			raw, err := json.Marshal(e["fieldsV1"])
			if err != nil {
				return nil, fmt.Errorf("read the owned fields of %s: %w", o.GetName(), err)
			}
			return raw, nil
		}
	}
	return nil, nil
}

// takenBy is who owns fields that we lost, as far as it shows: the newest of
// those who own one of them.
func takenBy(o *unstructured.Unstructured, lost *fieldpath.Set) string {
	by, when := "", ""
	for _, e := range owners(o) {
		raw, err := json.Marshal(e["fieldsV1"])
		if err != nil || isOurs(e) {
			continue
		}
		set, err := fieldSet(raw)
		if err != nil || set.Intersection(lost).Empty() && !lost.Empty() {
			continue
		}
		if at := text(e, "time"); by == "" || at >= when {
			by, when = text(e, "manager"), at
		}
	}
	return by
}
