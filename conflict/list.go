package conflict

import (
	"encoding/json"
	"slices"
	"strconv"
)

// entries are a list whose entries can be told apart.
type entries struct {
	order []string // their keys
	by    map[string]any
}

func (e entries) get(key string) any {
	if v, ok := e.by[key]; ok {
		return v
	}
	return absent
}

// mergeLists merges lists entry by entry, and says whether it can: Kubernetes
// defines what tells the entries apart, and they can be told apart.
func (m *merger) mergeLists(at place, b, e, s any) (out any, ok bool) {
	if !at.how.set && at.how.key == "" {
		return nil, false
	}
	base, okB := at.how.entries(b)
	edge, okE := at.how.entries(e)
	source, okS := at.how.entries(s)
	if !okB || !okE || !okS {
		return nil, false
	}
	left := map[string]any{}
	for _, key := range union(base.order, edge.order, source.order) {
		v := m.merge(at.entry(key), base.get(key), edge.get(key), source.get(key))
		if v != absent {
			left[key] = v
		}
	}
	if len(left) == 0 && (e == absent || s == absent) {
		return absent, true
	}
	order, agreed := mergeOrder(base.order, edge.order, source.order, left)
	if !agreed {
		m.fields = append(m.fields, at.path)
	}
	return list(order, left), true
}

func list(order []string, by map[string]any) []any {
	out := make([]any, 0, len(order))
	for _, key := range order {
		out = append(out, by[key])
	}
	return out
}

// entries tells the entries of a list apart, or says that it cannot. A missing
// list is empty.
func (h how) entries(v any) (entries, bool) {
	out := entries{by: map[string]any{}}
	items, ok := v.([]any)
	if !ok {
		return out, v == absent
	}
	for _, item := range items {
		key, ok := h.keyOf(item)
		if _, taken := out.by[key]; taken || !ok {
			return out, false
		}
		out.by[key] = item
		out.order = append(out.order, key)
	}
	return out, true
}

func (h how) keyOf(item any) (string, bool) {
	if h.set {
		return scalar(item)
	}
	key, ok := scalar(member(item, h.key))
	text := h.key + "=" + key
	if also, has := companions[h.key]; has && ok {
		value, given := scalar(member(item, also.name))
		if !given {
			value = also.missing
		}
		if value != also.missing {
			text += "," + also.name + "=" + value
		}
	}
	return text, ok
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		if plainName(v) {
			return v, true
		}
		return strconv.Quote(v), true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

// mergeOrder puts what is left into order: the edge's where the source did not
// reorder, so that what the edge has need not be written again, else the
// source's. agreed is false when both reordered, each in its way.
func mergeOrder(base, edge, source []string, left map[string]any) (order []string, agreed bool) {
	main, other := edge, source
	if !sameOrder(base, source) {
		main, other = source, edge
		agreed = sameOrder(base, edge) || sameOrder(edge, source)
	} else {
		agreed = true
	}
	for _, key := range main {
		if _, ok := left[key]; ok {
			order = append(order, key)
		}
	}
	next := 0 // behind the entry that came before in other
	for _, key := range other {
		if i := slices.Index(order, key); i >= 0 {
			next = i + 1
		} else if _, ok := left[key]; ok {
			order = slices.Insert(order, next, key)
			next++
		}
	}
	return order, agreed
}

// sameOrder compares the order of what both have.
func sameOrder(a, b []string) bool { return slices.Equal(common(a, b), common(b, a)) }

// common are the keys of a that b has too.
func common(a, b []string) []string {
	has := map[string]bool{}
	for _, key := range b {
		has[key] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(key string) bool { return !has[key] })
}

func union(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
