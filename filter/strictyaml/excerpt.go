package strictyaml

import (
	"fmt"
	"strings"
	"unicode"
)

// Excerpts show at most this many characters of a line, some of them before
// the spot.
const (
	excerptWidth  = 100
	excerptBefore = 60
)

// source is the text of a file, split at the line breaks that YAML knows.
type source []string

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

func split(text string) source {
	text = strings.TrimPrefix(text, "\ufeff")
	return strings.Split(lineBreaks.Replace(text), "\n")
}

// excerpt shows a line with a caret under a column, or "" for a line that the
// file does not have.
func (s source) excerpt(line, column int) string {
	if line < 1 || line > len(s) {
		return ""
	}
	text := []rune(s[line-1])
	spot := max(0, min(column-1, len(text)))
	from := max(0, spot-excerptBefore)
	to := min(len(text), from+excerptWidth)
	shown := printable(string(text[from:to]))
	return fmt.Sprintf("%4d | %s\n     | %s^", line, shown, indent(text[from:spot]))
}

// line is the text of a line, or "" for one that the file does not have.
func (s source) line(line int) string {
	if line < 1 || line > len(s) {
		return ""
	}
	return s[line-1]
}

// at is the character at a place, or 0.
func (s source) at(line, column int) rune {
	if text := []rune(s.line(line)); column >= 1 && column <= len(text) {
		return text[column-1]
	}
	return 0
}

// indent is as wide as text on a terminal: tabs stay tabs.
func indent(text []rune) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(text))
}

// printable replaces what would move the cursor or change colours.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}
