package strictyaml

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// inside finds the place of a character of a scalar, or gives the start of the
// scalar back when the file does not hold its text as it is.
func (s source) inside(n *yaml.Node, line, column, characters int) (int, int) {
	text := []rune(n.Value)
	before := string(text[:min(characters, len(text))])
	row := strings.Count(before, "\n")
	rest := []rune(before[strings.LastIndexByte(before, '\n')+1:])
	written := []rune(strings.Split(n.Value, "\n")[row])
	first, start := line, column
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		first, start = line+1, s.indentation(line+1, n.Value)
	case n.Style&yaml.FoldedStyle != 0 && !strings.Contains(strings.TrimRight(n.Value, "\n"), "\n"):
		first, start = line+1, s.indentation(line+1, n.Value)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		start++
	}
	if !s.holds(first+row, start, written[:len(rest)]) {
		return line, column
	}
	return first + row, start + len(rest)
}

// indentation is the column in which the first line of a block begins.
func (s source) indentation(line int, value string) int {
	if line > len(s) {
		return 1
	}
	own := len(value) - len(strings.TrimLeft(value, " "))
	return 1 + len(s[line-1]) - len(strings.TrimLeft(s[line-1], " ")) - own
}

// holds reports whether a line has the text at a column.
func (s source) holds(line, column int, text []rune) bool {
	if line < 1 || line > len(s) || column < 1 {
		return false
	}
	there := []rune(s[line-1])
	from := column - 1
	return from+len(text) <= len(there) && slices.Equal(there[from:from+len(text)], text)
}
