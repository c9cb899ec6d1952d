package transform

import (
	"fmt"
	"strings"
)

// Compile checks the steps and makes a program of them. When there is any
// problem the program is nil; problems are in the order of the steps. No steps
// make a program that changes nothing.
func Compile(steps []Step) (*Program, []Problem) {
	ps := &problems{}
	p := &Program{}
	for i, s := range steps {
		ps.step = i
		kinds := s.kinds()
		if f := oneKind(kinds); f != nil {
			ps.add(f)
			continue
		}
		if a := s.compile(ps); a != nil {
			p.steps = append(p.steps, compiled{place: i, kind: kinds[0], action: a})
		}
	}
	checkNamespaces(ps, steps)
	if len(ps.list) > 0 {
		return nil, ps.list
	}
	return p, nil
}

func oneKind(kinds []string) *flaw {
	switch len(kinds) {
	case 0:
		return &flaw{"the step does nothing", "use dropFields, setFields, images, namespace, annotations, labels or patch"}
	case 1:
		return nil
	default:
		return &flaw{
			fmt.Sprintf("the step has %s", strings.Join(kinds, " and ")),
			"make each a step of its own: they are carried out in the order of the list",
		}
	}
}

// compile is what the step does, or nil after a problem.
func (s Step) compile(ps *problems) action {
	before := len(ps.list)
	a := s.action(ps)
	if len(ps.list) > before {
		return nil
	}
	return a
}

func (s Step) action(ps *problems) action {
	switch {
	case s.DropFields != nil:
		return compileDrop(ps, s.DropFields)
	case s.SetFields != nil:
		return compileSet(ps, s.SetFields)
	case s.Images != nil:
		return compileImages(ps, *s.Images)
	case s.Namespace != nil:
		return compileNamespace(ps, *s.Namespace)
	case s.Annotations != nil:
		return compileEdit(ps, "annotations", *s.Annotations)
	case s.Labels != nil:
		return compileEdit(ps, "labels", *s.Labels)
	default:
		return compilePatch(ps, s.Patch)
	}
}
