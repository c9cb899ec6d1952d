package transform

import "slices"

// dropping removes fields.
type dropping []fieldPath

func compileDrop(ps *problems, paths []string) action {
	if len(paths) == 0 {
		ps.add(&flaw{"no fields to drop", "name one, or remove the step"}, "dropFields")
	}
	var out dropping
	for i, s := range paths {
		p, f := parsePath(s)
		if f == nil {
			f = identityTouched(p.names())
		}
		if f != nil {
			ps.add(f, "dropFields", i)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (d dropping) apply(obj map[string]any) error {
	for _, p := range d {
		dropIn(obj, p)
	}
	return nil
}

// dropIn removes what the path leads to and gives the rest of v back. A value
// of another shape than the path expects has no such field.
func dropIn(v any, path fieldPath) any {
	step, rest := path[0], path[1:]
	switch v := v.(type) {
	case map[string]any:
		child, there := v[step.name]
		switch {
		case step.kind != named || !there:
		case len(rest) == 0:
			delete(v, step.name)
		default:
			v[step.name] = dropIn(child, rest)
		}
		return v
	case []any:
		return dropEntries(v, step, rest)
	default:
		return v
	}
}

func dropEntries(list []any, step part, rest fieldPath) any {
	from, to, ok := step.entries(list)
	if !ok {
		return list
	}
	if len(rest) == 0 {
		return slices.Delete(list, from, to)
	}
	for i := from; i < to; i++ {
		list[i] = dropIn(list[i], rest)
	}
	return list
}

// entries are the places of a list that a step leads to.
func (p part) entries(list []any) (from, to int, ok bool) {
	switch {
	case p.kind == every:
		return 0, len(list), true
	case p.kind == indexed && p.index < len(list):
		return p.index, p.index + 1, true
	default:
		return 0, 0, false
	}
}
