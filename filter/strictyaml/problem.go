package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	// File is the name that was given to Parse, or what else set the value.
	File string
	// Line and Column count from 1; columns count characters. Both are 0 when
	// the value does not come from a file.
	Line, Column int
	// Message says what is wrong.
	Message string
	// Hint says what to do about it; may be empty.
	Hint string
	// Excerpt is the line of the source and a caret below the spot; may be
	// empty.
	Excerpt string
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(printable(p.File))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	return b.String()
}

// Errors is every problem of one reading, sorted by place.
type Errors struct {
	Problems []Problem
}

func (e *Errors) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "\n")
}

// Report collects the problems of any number of files. The zero value is
// ready. It is not safe for concurrent use.
type Report struct {
	problems []Problem
	files    []string // in the order of their first problem
}

// Add adds a problem.
func (r *Report) Add(p Problem) {
	if !slices.Contains(r.files, p.File) {
		r.files = append(r.files, p.File)
	}
	r.problems = append(r.problems, p)
}

// Err is nil when there are no problems, and otherwise a fault.Usage error
// that wraps an *Errors.
func (r *Report) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	sorted := slices.Clone(r.problems)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(r.files, a.File), slices.Index(r.files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return &fault.Error{Class: fault.Usage, Err: &Errors{Problems: slices.Compact(sorted)}}
}
