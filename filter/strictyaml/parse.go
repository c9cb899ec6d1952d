package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxFileSize is the largest file that Parse accepts, in bytes.
const MaxFileSize = 4 << 20

// Parse splits a file into its documents; empty ones are dropped. What is not
// YAML at all goes to the report, and the documents before it are returned. A
// file without documents is a problem too.
func Parse(r *Report, file string, data []byte) []*Document {
	if !acceptable(r, file, data) {
		return nil
	}
	lines := split(string(data))
	nodes, err := load(data)
	if err != nil {
		r.Add(syntaxProblem(file, lines, err))
	}
	docs := make([]*Document, 0, len(nodes))
	for _, n := range nodes {
		docs = append(docs, &Document{report: r, file: file, lines: lines, root: n})
	}
	if len(docs) == 0 && err == nil {
		r.Add(Problem{File: file, Line: 1, Column: 1, Message: "the file holds nothing"})
	}
	return docs
}

// acceptable refuses what cannot be shown line by line.
func acceptable(r *Report, file string, data []byte) bool {
	if len(data) > MaxFileSize {
		r.Add(Problem{File: file, Line: 1, Column: 1, Message: "the file is larger than " + Bytes(MaxFileSize).String()})
		return false
	}
	if utf8.Valid(data) {
		return true
	}
	before := strings.ToValidUTF8(string(data), "\x00")
	before = before[:strings.IndexByte(before, 0)]
	lines := split(before)
	last := len(lines)
	r.Add(Problem{File: file, Line: last, Column: utf8.RuneCountInString(lines[last-1]) + 1, Message: "the file is not UTF-8 text"})
	return false
}

// load reads documents up to the end or the first error.
func load(data []byte) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var out []*yaml.Node
	for {
		var n yaml.Node
		if err := loader.Load(&n); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		if len(n.Content) == 1 && n.Content[0].ShortTag() != nullTag {
			out = append(out, n.Content[0])
		}
	}
}

// syntaxProblem is what the YAML library says, at the place where it says so.
func syntaxProblem(file string, lines source, err error) Problem {
	p := Problem{File: file, Line: 1, Column: 1, Message: "not valid YAML: " + printable(err.Error())}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return p
	}
	mark := le.Mark
	p.Message = "not valid YAML: " + printable(le.Message)
	if le.ContextMark.Line > 0 && le.ContextMark.Line < mark.Line {
		mark = le.ContextMark // what began there is what has no end
		p.Message += ", " + printable(le.ContextMsg)
	}
	p.Line, p.Column = max(1, mark.Line), max(1, mark.Column)
	switch {
	case lines.at(p.Line, p.Column) == '\t':
		p.Hint = "indent with spaces, not with tabs"
	case bareVariable(lines.line(p.Line)) || bareVariable(lines.line(le.Mark.Line)):
		p.Hint = "put text with ${…} in quotes"
	}
	p.Excerpt = lines.excerpt(p.Line, p.Column)
	return p
}

// bareVariable reports whether a line has a ${ outside of quotes, which YAML
// takes for the start of a mapping when the line is in one.
func bareVariable(line string) bool {
	before, _, found := strings.Cut(line, "${")
	return found && strings.Count(before, `"`)%2 == 0 && strings.Count(before, "'")%2 == 0
}
