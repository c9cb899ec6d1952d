package transform

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a list of steps.
type Problem struct {
	// Step is the place of the step in the list, from 0.
	Step int
	// Field is the place in the step as people read it, like images.to or
	// setFields["spec.replicas"]; "" for the step itself.
	Field string
	// Path is the same place as the names (string) and places (int) that lead
	// there from the step.
	Path []any
	// Message says what is wrong.
	Message string
	// Hint says what to do about it; may be empty.
	Hint string
}

func (p Problem) String() string {
	place := fmt.Sprintf("step %d", p.Step+1)
	if p.Field != "" {
		place += ", " + p.Field
	}
	if p.Hint == "" {
		return place + ": " + p.Message
	}
	return place + ": " + p.Message + "; " + p.Hint
}

// flaw is what is wrong with a value, before its place is known.
type flaw struct{ message, hint string }

// problems collects what is wrong with a list of steps.
type problems struct {
	step int
	list []Problem
}

func (ps *problems) add(f *flaw, path ...any) {
	ps.list = append(ps.list, Problem{
		Step: ps.step, Field: fieldText(path), Path: path, Message: f.message, Hint: f.hint,
	})
}

// fieldText writes a path as images.to, dropFields[0] or setFields["a.b"].
func fieldText(path []any) string {
	var b strings.Builder
	for _, step := range path {
		name, isName := step.(string)
		switch {
		case !isName:
			fmt.Fprintf(&b, "[%v]", step)
		case b.Len() == 0:
			b.WriteString(name)
		case strings.ContainsAny(name, `.[]/" `) || name == "":
			b.WriteString("[" + strconv.Quote(name) + "]")
		default:
			b.WriteString("." + name)
		}
	}
	return b.String()
}
