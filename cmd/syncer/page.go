package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// page is text for people. What it is given may come from elsewhere and is
// made harmless for a terminal.
type page struct {
	text strings.Builder
}

func (p *page) String() string { return p.text.String() }

func (p *page) line(format string, args ...any) {
	p.text.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

// cell is one field of a table; style is an escape sequence or "".
type cell struct {
	text, style string
}

func plain(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i].text = text
	}
	return cells
}

const reset = "\x1b[0m"

// table prints rows with aligned columns. The first row is the head.
func (p *page) table(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(c.text)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := printable(c.text)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+3)
			if c.style != "" {
				text = c.style + text + reset
			}
			line.WriteString(text)
			if i < len(row)-1 {
				line.WriteString(pad)
			}
		}
		p.text.WriteString(line.String() + "\n")
	}
}

// printable replaces what would move the cursor or change colours.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return '.'
		}
		return r
	}, s)
}
