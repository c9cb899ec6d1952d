package transform

import "fmt"

// Program is a compiled list of steps. It may be used by any number of
// goroutines at once.
type Program struct {
	steps []compiled
}

type compiled struct {
	place  int
	kind   string
	action action
}

// action is what a step does to an object.
type action interface {
	apply(obj map[string]any) error
}

// Error says which step could not be carried out on which object.
type Error struct {
	// Step is the place of the step in the list, from 0; Kind is its name.
	Step int
	Kind string
	// Object is the kind, namespace and name of the object before the steps.
	Object string
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("transform step %d (%s) on %s: %v", e.Step+1, e.Kind, e.Object, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Apply changes the object in place, step by step. The object must not be in
// use elsewhere; after an error it is half changed and of no use. Nothing of
// the program becomes part of the object. The error is an *Error.
func (p *Program) Apply(obj map[string]any) error {
	before := identityOf(obj)
	now := before
	for _, s := range p.steps {
		err := s.action.apply(obj)
		if m, renames := s.action.(renaming); renames {
			now = m.identity(now)
		}
		if err == nil {
			err = now.unchanged(identityOf(obj))
		}
		if err != nil {
			return &Error{Step: s.place, Kind: s.kind, Object: before.String(), Err: err}
		}
	}
	return nil
}

// Empty reports whether the program changes nothing.
func (p *Program) Empty() bool { return len(p.steps) == 0 }
