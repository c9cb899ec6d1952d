package where

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
)

// Problem is one thing that is wrong with an expression.
type Problem struct {
	// Offset is the place in the expression, in characters from 0.
	Offset int
	// Message says what is wrong, in one line.
	Message string
	// Hint says what to do about it; may be empty.
	Hint string
}

// Error is every problem of an expression, at least one.
type Error struct {
	Problems []Problem
}

func (e *Error) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Message
		if p.Hint != "" {
			texts[i] += "; " + p.Hint
		}
	}
	return strings.Join(texts, "\n")
}

// whole is a problem of the whole expression.
func whole(message, hint string) *Error {
	return &Error{Problems: []Problem{{Message: message, Hint: hint}}}
}

// problemsOf are the problems of an expression, or the first alone when it
// cannot be read: what follows is of its making.
func problemsOf(expr string, issues *cel.Issues) *Error {
	out, unread := &Error{}, false
	for _, e := range issues.Errors() {
		message, hint := explain(e.Message)
		out.Problems = append(out.Problems, Problem{
			Offset:  offset(expr, e.Location.Line(), e.Location.Column()),
			Message: message,
			Hint:    hint,
		})
		unread = unread || strings.HasPrefix(e.Message, syntaxError)
	}
	if unread {
		out.Problems = []Problem{slices.MinFunc(out.Problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })}
	}
	return out
}

// offset counts the characters before a line, from 1, and a column, from 0.
func offset(expr string, line, column int) int {
	out := max(0, column)
	for ; line > 1; line-- {
		before, after, more := strings.Cut(expr, "\n")
		if !more {
			break
		}
		out += utf8.RuneCountInString(before) + 1
		expr = after
	}
	return min(out, out-max(0, column)+utf8.RuneCountInString(expr))
}

// explain gives the messages of CEL a hint where there is one to give.
func explain(message string) (plain, hint string) {
	plain = strings.TrimSuffix(oneLine(message), " (in container '')")
	if before, guess, guessed := strings.Cut(plain, " (did you mean "); guessed {
		return before, "did you mean " + strings.TrimSuffix(guess, ")")
	}
	if syntax, is := strings.CutPrefix(plain, syntaxError); is {
		return explainSyntax(syntax)
	}
	switch {
	case strings.HasPrefix(plain, "undeclared reference"):
		return plain, "the only variable is object, like object.metadata.name"
	case plain == "invalid matches argument":
		return "not a regular expression", "write it as RE2 reads it, like ^app-[0-9]+$"
	default:
		return plain, ""
	}
}

// oneLine makes a message fit into one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
