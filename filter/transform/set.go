package transform

import (
	"fmt"
	"maps"
	"slices"
)

// setting gives fields a value, in the order of their paths.
type setting []assignment

type assignment struct {
	key   string // as the policy writes it
	path  fieldPath
	value any
}

func compileSet(ps *problems, fields map[string]any) action {
	if len(fields) == 0 {
		ps.add(&flaw{"no fields to set", "name one, or remove the step"}, "setFields")
	}
	var out setting
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		a, f := newAssignment(key, fields[key])
		if f == nil {
			f = out.conflict(a)
		}
		if f != nil {
			ps.add(f, "setFields", key)
			continue
		}
		out = append(out, a)
	}
	return out
}

func newAssignment(key string, value any) (assignment, *flaw) {
	path, f := parsePath(key)
	if f != nil {
		return assignment{}, f
	}
	for _, check := range []func([]string) *flaw{identityTouched, clusterTouched} {
		if f := check(path.names()); f != nil {
			return assignment{}, f
		}
	}
	if value == nil {
		return assignment{}, &flaw{path.String() + " has no value", "to remove a field use dropFields"}
	}
	own, err := jsonValue(value)
	if err != nil {
		return assignment{}, &flaw{path.String() + ": " + err.Error(), ""}
	}
	return assignment{key: key, path: path, value: own}, nil
}

// conflict refuses a field that another one of the same step sets as well: a
// mapping of paths has no order.
func (s setting) conflict(a assignment) *flaw {
	for _, b := range s {
		if overlapping(a.path, b.path) {
			return &flaw{fmt.Sprintf("%q and %q set the same field", b.key, a.key), "set it once, or use two steps"}
		}
	}
	return nil
}

// overlapping reports whether one path can lead through or to the other.
func overlapping(a, b fieldPath) bool {
	for i := range min(len(a), len(b)) {
		wild := a[i].kind == every && b[i].kind != named || b[i].kind == every && a[i].kind != named
		if a[i] != b[i] && !wild {
			return false
		}
	}
	return true
}

func (s setting) apply(obj map[string]any) error {
	for _, a := range s {
		if _, err := setIn(obj, a.path, 0, a.value); err != nil {
			return err
		}
	}
	return nil
}

// setIn sets what path[at:] leads to and gives v back, made when it was
// missing. It stays missing when the path leads to every entry of a list that
// is not there.
func setIn(v any, path fieldPath, at int, value any) (any, error) {
	if at == len(path) {
		return clone(value), nil
	}
	if v == nil {
		return makeIn(path, at, value)
	}
	switch node := v.(type) {
	case map[string]any:
		if path[at].kind == named {
			return node, setField(node, path, at, value)
		}
	case []any:
		if path[at].kind != named {
			return node, setEntries(node, path, at, value)
		}
	}
	return nil, fmt.Errorf("cannot set %s: %s is %s", path, place(path[:at]), describe(v))
}

func setField(m map[string]any, path fieldPath, at int, value any) error {
	name := path[at].name
	child, err := setIn(m[name], path, at+1, value)
	if err == nil && child != nil {
		m[name] = child
	}
	return err
}

func setEntries(list []any, path fieldPath, at int, value any) error {
	from, to, ok := path[at].entries(list)
	if !ok {
		return fmt.Errorf("cannot set %s: %s has %d entries", path, place(path[:at]), len(list))
	}
	for i := from; i < to; i++ {
		entry, err := setIn(list[i], path, at+1, value)
		if err != nil {
			return err
		}
		list[i] = entry
	}
	return nil
}

// makeIn makes the mappings that lead to a field.
func makeIn(path fieldPath, at int, value any) (any, error) {
	for i, step := range path[at:] {
		switch step.kind {
		case every:
			return nil, nil
		case indexed:
			return nil, fmt.Errorf("cannot set %s: there is no list %s", path, place(path[:at+i]))
		}
	}
	out := clone(value)
	for i := len(path) - 1; i >= at; i-- {
		out = map[string]any{path[i].name: out}
	}
	return out, nil
}

func place(path fieldPath) string {
	if len(path) == 0 {
		return "the object"
	}
	return path.String()
}
