package conflict

import (
	"maps"
	"slices"
	"strconv"
)

// merge combines what the edge and the source made of base, and names the
// fields that both changed and of which the source's was taken. Where one side
// changed nothing, the result is the other.
func merge(base, edge, source any) (merged any, fields []string) {
	if base == absent {
		base = map[string]any{}
	}
	var m merger
	merged = m.merge(place{shape: shapeOf(source)}, base, edge, source)
	slices.Sort(m.fields)
	return merged, slices.Compact(m.fields)
}

type merger struct{ fields []string }

// place is where a value is, and what is known of it.
type place struct {
	path string
	shape
}

func (p place) field(name string) place {
	path := p.path + "[" + strconv.Quote(name) + "]"
	switch {
	case plainName(name) && p.path == "":
		path = name
	case plainName(name):
		path = p.path + "." + name
	}
	return place{path, p.shape.field(name)}
}

func (p place) entry(key string) place {
	return place{p.path + "[" + key + "]", p.shape.entry()}
}

func (m *merger) merge(at place, b, e, s any) any {
	switch {
	case equal(e, s), equal(b, s):
		return e
	case equal(b, e):
		return s
	}
	if out, ok := m.mergeMaps(at, b, e, s); ok {
		return out
	}
	if out, ok := m.mergeLists(at, b, e, s); ok {
		return out
	}
	m.fields = append(m.fields, at.path)
	return s
}

// mergeMaps merges mappings field by field, and says whether it can.
func (m *merger) mergeMaps(at place, b, e, s any) (out any, ok bool) {
	base, okB := asMap(b, true)
	edge, okE := asMap(e, at.free())
	source, okS := asMap(s, at.free())
	if !okB || !okE || !okS || at.how.whole || at.how.retain && replaced(base, edge, source) {
		return nil, false
	}
	fields := map[string]any{}
	for _, name := range names(base, edge, source) {
		v := m.merge(at.field(name), member(b, name), member(e, name), member(s, name))
		if v != absent {
			fields[name] = v
		}
	}
	if at.of != nil {
		for _, name := range displaced(fields, edge, source) {
			delete(fields, name)
			m.fields = append(m.fields, at.field(name).path)
		}
	}
	if len(fields) == 0 && (e == absent || s == absent) {
		return absent, true
	}
	return fields, true
}

// replaced reports whether a side made another thing of a mapping whose fields
// exclude each other.
func replaced(base, edge, source map[string]any) bool {
	b, e, s := names(base), names(edge), names(source)
	return !slices.Equal(e, s) && (!slices.Equal(b, e) || !slices.Equal(b, s))
}

// asMap is v as a mapping. A missing one is empty when that means the same.
func asMap(v any, missing bool) (map[string]any, bool) {
	if v == absent {
		return nil, missing
	}
	out, ok := v.(map[string]any)
	return out, ok
}

// names are the sorted names of all fields.
func names(of ...map[string]any) []string {
	var out []string
	for _, fields := range of {
		out = slices.AppendSeq(out, maps.Keys(fields))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
