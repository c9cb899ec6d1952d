package target

import (
	"reflect"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// A live object holds more than what was applied: defaults, status, what others
// added. shaped is the part of it that the applied one is about, in the shape of
// that one. Lists whose items have keys, which the owned fields tell, are matched
// item by item; the others are taken as they are.

func shaped(live, applied any, owned *fieldpath.Set) any {
	switch want := applied.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		if !ok || len(want) == 0 {
			return emptyOf(live, ok, map[string]any{})
		}
		out := make(map[string]any, len(want))
		for name, w := range want {
			if h, ok := have[name]; ok {
				out[name] = shaped(h, w, owned.WithPrefix(fieldpath.FieldNameElement(name)))
			}
		}
		return out
	case []any:
		have, ok := live.([]any)
		if !ok || len(want) == 0 {
			return emptyOf(live, ok, []any{})
		}
		return shapedList(have, want, owned)
	default:
		return live
	}
}

// emptyOf is for what was applied empty: what others put into it is theirs.
func emptyOf(live any, same bool, empty any) any {
	if same {
		return empty
	}
	return live
}

func shapedList(have, want []any, owned *fieldpath.Set) any {
	elements := elementsOf(owned)
	if len(elements) == 0 {
		return have
	}
	out := []any{}
	for _, w := range want {
		pe, ok := elementFor(w, elements)
		if !ok {
			return have
		}
		if i := slices.IndexFunc(have, func(h any) bool { return matches(h, pe) }); i >= 0 {
			out = append(out, shaped(have[i], w, owned.WithPrefix(pe)))
		}
	}
	return out
}

// elementsOf are the items of a list that somebody owns one by one.
func elementsOf(set *fieldpath.Set) []fieldpath.PathElement {
	var out []fieldpath.PathElement
	add := func(pe fieldpath.PathElement) {
		if pe.Key != nil || pe.Value != nil {
			out = append(out, pe)
		}
	}
	set.Members.Iterate(add)
	set.Children.Iterate(func(pe fieldpath.PathElement) {
		if !set.Members.Has(pe) {
			add(pe)
		}
	})
	return out
}

// elementFor is the element that an applied item is. It may leave out a part of
// its key that has a default.
func elementFor(item any, elements []fieldpath.PathElement) (fieldpath.PathElement, bool) {
	for _, pe := range elements {
		if matches(item, pe) {
			return pe, true
		}
	}
	for _, pe := range elements {
		if matchesPartly(item, pe) {
			return pe, true
		}
	}
	return fieldpath.PathElement{}, false
}

func matches(item any, pe fieldpath.PathElement) bool {
	if pe.Value != nil {
		return value.Equals(value.NewValueInterface(item), *pe.Value)
	}
	fields, ok := item.(map[string]any)
	if !ok || pe.Key == nil {
		return false
	}
	return !slices.ContainsFunc(*pe.Key, func(f value.Field) bool {
		v, ok := fields[f.Name]
		return !ok || !value.Equals(value.NewValueInterface(v), f.Value)
	})
}

func matchesPartly(item any, pe fieldpath.PathElement) bool {
	fields, ok := item.(map[string]any)
	if !ok || pe.Key == nil {
		return false
	}
	some := false
	for _, f := range *pe.Key {
		if v, ok := fields[f.Name]; ok {
			if !value.Equals(value.NewValueInterface(v), f.Value) {
				return false
			}
			some = true
		}
	}
	return some
}

// overlaid is the applied value with what changed between two showings of it.
func overlaid(applied, before, now any) any {
	if reflect.DeepEqual(before, now) {
		return applied
	}
	a, okA := applied.(map[string]any)
	b, okB := before.(map[string]any)
	n, okN := now.(map[string]any)
	if okA && okB && okN {
		out := make(map[string]any, len(n))
		for name, v := range n {
			if was, ok := b[name]; ok {
				out[name] = overlaid(a[name], was, v)
			} else {
				out[name] = v
			}
		}
		return out
	}
	la, okA := applied.([]any)
	lb, okB := before.([]any)
	ln, okN := now.([]any)
	if okA && okB && okN && len(la) == len(ln) && len(lb) == len(ln) {
		out := make([]any, len(ln))
		for i := range ln {
			out[i] = overlaid(la[i], lb[i], ln[i])
		}
		return out
	}
	return now
}

// extracted is the part of an object that the fields are: what an owner of them
// applied, but for the object's name.
func extracted(live any, owned *fieldpath.Set) any {
	switch have := live.(type) {
	case map[string]any:
		out := map[string]any{}
		each(owned, func(pe fieldpath.PathElement, leaf bool) {
			if pe.FieldName == nil {
				return
			}
			if v, ok := have[*pe.FieldName]; ok {
				out[*pe.FieldName] = part(v, owned, pe, leaf)
			}
		})
		return out
	case []any:
		out := []any{}
		for i, item := range have {
			each(owned, func(pe fieldpath.PathElement, leaf bool) {
				if matches(item, pe) || pe.Index != nil && *pe.Index == i {
					out = append(out, part(item, owned, pe, leaf))
				}
			})
		}
		return out
	default:
		return live
	}
}

func part(v any, owned *fieldpath.Set, pe fieldpath.PathElement, leaf bool) any {
	if leaf {
		return v
	}
	out := extracted(v, owned.WithPrefix(pe))
	if fields, ok := out.(map[string]any); ok && pe.Key != nil {
		for _, f := range *pe.Key { // a key that is a default belongs to nobody
			if _, ok := fields[f.Name]; !ok {
				fields[f.Name] = f.Value.Unstructured()
			}
		}
	}
	return out
}

// each gives the elements of a set; a leaf has none below it.
func each(set *fieldpath.Set, fn func(pe fieldpath.PathElement, leaf bool)) {
	set.Members.Iterate(func(pe fieldpath.PathElement) {
		_, below := set.Children.Get(pe)
		fn(pe, !below)
	})
	set.Children.Iterate(func(pe fieldpath.PathElement) {
		if !set.Members.Has(pe) {
			fn(pe, false)
		}
	})
}
