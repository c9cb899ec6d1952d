package conflict

import (
	"fmt"
	"maps"
	"slices"
)

// ignored is one path of an Ignore, read.
type ignored struct {
	when When
	path []part
}

// compile reads the paths. What this version does not know is an error.
func (r Rule) compile() ([]ignored, error) {
	switch r.Policy {
	case "", SourceWins, EdgeWins, HoldPolicy, MergePolicy:
	default:
		return nil, fmt.Errorf("this version does not know the policy %q", r.Policy)
	}
	var out []ignored
	for _, i := range r.Ignore {
		switch i.When {
		case "", OnEdgeChange, OnEdgePresent, OnEdgeAdd:
		default:
			return nil, fmt.Errorf("this version does not know when %q is", i.When)
		}
		for _, text := range i.Paths {
			path, err := parsePath(text)
			if err != nil {
				return nil, err
			}
			out = append(out, ignored{i.When, path})
		}
	}
	return out, nil
}

// stays reports whether the field is the edge's.
func (i ignored) stays(b, e, s any) bool {
	switch i.when {
	case OnEdgePresent:
		return e != absent
	case OnEdgeAdd:
		return e != absent && b == absent && s == absent
	default:
		return !equal(b, e)
	}
}

// leave gives s with the fields that are the edge's, and names those in which
// that makes a difference. Nothing is changed in place.
func (i ignored) leave(b, e, s any) (out any, kept []string) {
	l := leaver{ignored: i}
	return l.leave(place{shape: shapeOf(s)}, i.path, b, e, s), l.kept
}

type leaver struct {
	ignored
	kept []string
}

func (l *leaver) leave(at place, path []part, b, e, s any) any {
	switch {
	case len(path) == 0:
		return l.choose(at, b, e, s)
	case path[0].name != "":
		return l.inMap(at, path, b, e, s)
	case path[0].index == everyEntry:
		return l.inList(at, path[1:], b, e, s)
	default:
		return l.inEntry(at, path, b, e, s)
	}
}

func (l *leaver) choose(at place, b, e, s any) any {
	if !l.stays(b, e, s) || equal(e, s) {
		return s
	}
	l.kept = append(l.kept, at.path)
	return e
}

func (l *leaver) inMap(at place, path []part, b, e, s any) any {
	fields, ok := asMap(s, true)
	if !ok {
		return s
	}
	name := path[0].name
	before := member(s, name)
	after := l.leave(at.field(name), path[1:], member(b, name), member(e, name), before)
	if equal(before, after) {
		return s
	}
	out := map[string]any{}
	maps.Copy(out, fields)
	if out[name] = after; after == absent {
		delete(out, name)
	}
	return out
}

// inEntry is about one entry by its place.
func (l *leaver) inEntry(at place, path []part, b, e, s any) any {
	i := path[0].index
	items, ok := s.([]any)
	if !ok || i >= len(items) || item(e, i) == absent {
		return s // there is no entry that could have a field
	}
	after := l.leave(at.entry(fmt.Sprint(i)), path[1:], item(b, i), item(e, i), items[i])
	if equal(items[i], after) {
		return s
	}
	out := slices.Clone(items)
	out[i] = after
	return out
}

func item(v any, i int) any {
	if items, ok := v.([]any); ok && i < len(items) {
		return items[i]
	}
	return absent
}

// inList is about all entries.
func (l *leaver) inList(at place, path []part, b, e, s any) any {
	base, edge, source, ok := at.told(b, e, s)
	switch {
	case !ok && len(path) == 0:
		return l.choose(at, b, e, s) // the list is one thing
	case !ok:
		return l.byPlace(at, path, b, e, s)
	}
	keys := source.order
	if len(path) == 0 {
		keys = union(base.order, edge.order, source.order)
	}
	left := map[string]any{}
	for _, key := range keys {
		if edge.get(key) == absent && len(path) > 0 {
			left[key] = source.get(key) // there is no entry that could have a field
			continue
		}
		v := l.leave(at.entry(key), path, base.get(key), edge.get(key), source.get(key))
		if v != absent {
			left[key] = v
		}
	}
	if maps.EqualFunc(left, source.by, equal) {
		return s
	}
	order, _ := mergeOrder(base.order, edge.order, source.order, left)
	return list(order, left)
}

// told tells the entries of three lists apart, by what Kubernetes defines or by
// name.
func (p place) told(b, e, s any) (base, edge, source entries, ok bool) {
	h := p.how
	if !h.set && h.key == "" {
		h.key = "name"
	}
	base, okB := h.entries(b)
	edge, okE := h.entries(e)
	source, okS := h.entries(s)
	return base, edge, source, okB && okE && okS
}

func (l *leaver) byPlace(at place, path []part, b, e, s any) any {
	items, _ := s.([]any)
	for i := range items {
		s = l.inEntry(at, append([]part{{index: i}}, path...), b, e, s)
	}
	return s
}
