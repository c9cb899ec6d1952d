package where

import (
	"errors"
	"strings"

	"cel.dev/cel-go/interpreter"
)

// Miss says why an expression has no value for an object. The object does not
// match.
type Miss struct {
	// Reason is what CEL says about it.
	Reason string
	// Hint says how to write the expression for such objects; may be empty.
	Hint string
}

func (m *Miss) Error() string {
	if m.Hint == "" {
		return m.Reason
	}
	return m.Reason + "; " + m.Hint
}

// Match reports whether the expression is true for an object of JSON values.
// It does not change the object. An object without the fields that the
// expression needs does not match, and the error is a *Miss that says so. An
// error that is ErrTooCostly means that it is not known whether the object
// matches.
func (p *Program) Match(obj map[string]any) (bool, error) {
	out, _, err := p.program.Eval(map[string]any{"object": obj})
	if err != nil {
		return false, p.failure(err)
	}
	matches, isBool := out.Value().(bool)
	if !isBool {
		return false, &Miss{Reason: "the expression is neither true nor false for this object"}
	}
	return matches, nil
}

func (p *Program) failure(err error) error {
	var stopped interpreter.EvalCancelledError
	if errors.As(err, &stopped) {
		return ErrTooCostly
	}
	reason := oneLine(err.Error())
	field, missing := strings.CutPrefix(reason, "no such key: ")
	if !missing {
		return &Miss{Reason: reason}
	}
	return &Miss{
		Reason: "the object has no field " + field,
		Hint:   "test with has(object.….field), or give a default with object.?a.b.orValue(0)",
	}
}

// String is the expression.
func (p *Program) String() string { return p.text }
