package strictyaml

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Spot is a place in a document to which problems can be attached.
type Spot struct {
	doc    *Document
	path   []any
	hint   string
	secret bool
	into   int // characters of the value before the spot
}

// In is a place inside a text: that many characters after its start. Where
// the file writes the text with escapes or folds, it stays at the start.
func (s Spot) In(characters int) Spot {
	s.into = characters
	return s
}

// Hint gives the spot a remedy for the problem that follows.
func (s Spot) Hint(format string, args ...any) Spot {
	s.hint = fmt.Sprintf(format, args...)
	return s
}

// Secret keeps the line of the source out of the problem that follows.
func (s Spot) Secret() Spot {
	s.secret = true
	return s
}

// Problemf attaches a problem, unless the place or one above it could not be
// decoded: then there is no value to complain about.
func (s Spot) Problemf(format string, args ...any) {
	if k := pathKey(s.path); !s.doc.isRefused(k) {
		s.doc.bad = append(s.doc.bad, k)
		s.add(fmt.Sprintf(format, args...))
	}
}

// add reports a message at the spot.
func (s Spot) add(message string) {
	d := s.doc
	p := Problem{File: d.file, Message: message, Hint: s.hint}
	if origin, ok := d.origin(pathKey(s.path)); ok {
		p.File = origin
	} else if d.root == nil {
		p.Message = pathText(s.path) + ": " + p.Message
	} else {
		p.Line, p.Column = s.Position()
		p.Excerpt = d.lines.excerpt(p.Line, p.Column)
	}
	if s.secret {
		p.Excerpt = ""
	}
	d.report.Add(p)
}

// Position is the line and column of the spot, both from 1, or 0 in a document
// without text.
func (s Spot) Position() (line, column int) {
	if s.doc.root == nil {
		return 0, 0
	}
	n := s.doc.spot(s.path)
	line, column = max(1, n.Line), max(1, n.Column)
	if s.into > 0 && n.Kind == yaml.ScalarNode {
		return s.doc.lines.inside(n, line, column, s.into)
	}
	return line, column
}

// Place names the spot in messages about another one: file:line, or what set
// the value.
func (s Spot) Place() string {
	if origin, ok := s.doc.origin(pathKey(s.path)); ok {
		return origin
	}
	line, _ := s.Position()
	if line == 0 {
		return pathText(s.path)
	}
	return fmt.Sprintf("%s:%d", s.doc.file, line)
}
