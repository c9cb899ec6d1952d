package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// edit changes the labels or annotations of an object.
type edit struct {
	field  string // "labels" or "annotations"
	add    map[string]string
	remove []string
}

func compileEdit(ps *problems, field string, e Edit) action {
	if len(e.Add)+len(e.Remove) == 0 {
		ps.add(&flaw{"nothing to add and nothing to remove", "use add or remove"}, field)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Add)) {
		if f := checkPair(field, key, e.Add[key]); f != nil {
			ps.add(f, field, "add", key)
		}
	}
	for i, key := range e.Remove {
		if f := checkKey(field, key); f != nil {
			ps.add(f, field, "remove", i)
		} else if _, both := e.Add[key]; both {
			ps.add(&flaw{fmt.Sprintf("%q is added and removed", key), "remove it from one of the lists"}, field, "remove", i)
		}
	}
	return edit{field: field, add: maps.Clone(e.Add), remove: slices.Clone(e.Remove)}
}

func checkPair(field, key, value string) *flaw {
	if f := checkKey(field, key); f != nil || field != "labels" {
		return f
	}
	if faults := validation.IsValidLabelValue(value); len(faults) > 0 {
		return &flaw{
			fmt.Sprintf("%q cannot be the value of a label", value),
			"use at most 63 letters, digits, -, _ and ., with a letter or digit at both ends",
		}
	}
	return nil
}

func checkKey(field, key string) *flaw {
	name := key
	if field == "annotations" {
		name = strings.ToLower(key) // as the API server checks them
	}
	if faults := validation.IsQualifiedName(name); len(faults) > 0 {
		return &flaw{
			fmt.Sprintf("%q cannot be the key of a %s", key, strings.TrimSuffix(field, "s")),
			"write it like owner or example.com/owner",
		}
	}
	return nil
}

func (e edit) apply(obj map[string]any) error {
	meta, isMap := obj["metadata"].(map[string]any)
	if !isMap {
		return fmt.Errorf("cannot change %s: metadata is %s", e.field, describe(obj["metadata"]))
	}
	have, isMap := meta[e.field].(map[string]any)
	if !isMap && meta[e.field] != nil {
		return fmt.Errorf("metadata.%s is %s", e.field, describe(meta[e.field]))
	}
	if have == nil {
		have = map[string]any{}
	}
	for _, key := range e.remove {
		delete(have, key)
	}
	for key, value := range e.add {
		have[key] = value
	}
	if len(have) == 0 {
		delete(meta, e.field)
		return nil
	}
	meta[e.field] = have
	return nil
}
