package transform

import (
	"maps"
	"slices"
)

// Field is a place in objects that a step names, for whoever knows which fields
// objects have.
type Field struct {
	// Step is the place of the step in the list, from 0, and Path leads from
	// there to where the field is named, as in a Problem.
	Step int
	Path []any
	// Names lead from an object to the field. Places in lists are left out.
	Names []string
	// Sample is an object with nothing but the field and the value that the
	// step gives it; nil when it gives none.
	Sample map[string]any
}

// Fields are those of dropFields and setFields. Paths that cannot be read are
// left out: Compile says what is wrong with them.
func Fields(steps []Step) []Field {
	var out []Field
	for i, s := range steps {
		for j, text := range s.DropFields {
			if path, f := parsePath(text); f == nil {
				out = append(out, Field{Step: i, Path: []any{"dropFields", j}, Names: path.allNames()})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(s.SetFields)) {
			if a, f := newAssignment(key, s.SetFields[key]); f == nil {
				out = append(out, Field{Step: i, Path: []any{"setFields", key}, Names: a.path.allNames(), Sample: a.sample()})
			}
		}
	}
	return out
}

// allNames are the names of a path.
func (p fieldPath) allNames() []string {
	var out []string
	for _, step := range p {
		if step.kind == named {
			out = append(out, step.name)
		}
	}
	return out
}

func (a assignment) sample() map[string]any {
	value := clone(a.value)
	for _, step := range slices.Backward(a.path) {
		if step.kind == named {
			value = map[string]any{step.name: value}
		} else {
			value = []any{value}
		}
	}
	sample, _ := value.(map[string]any) // a path begins with a name
	return sample
}

// For is the program for objects that have some fields only: others are not
// set. has takes the names that lead to a field, without places in lists.
func (p *Program) For(has func(names []string) bool) *Program {
	out := &Program{}
	for _, step := range p.steps {
		if s, sets := step.action.(setting); sets {
			s = slices.DeleteFunc(slices.Clone(s), func(a assignment) bool { return !has(a.path.allNames()) })
			if step.action = s; len(s) == 0 {
				continue
			}
		}
		out.steps = append(out.steps, step)
	}
	return out
}

// Writes reports whether a step puts a value of its own into objects, at a
// place of its own: only then can an object become one that its type does not
// hold.
func (p *Program) Writes() bool {
	return slices.ContainsFunc(p.steps, func(c compiled) bool {
		switch c.action.(type) {
		case setting, patching:
			return true
		}
		return false
	})
}
