package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// between is the time between two lines of progress that is not on a terminal.
const between = 10 * time.Second

// progress shows how far something is: one line that changes on a terminal,
// elsewhere a line now and then.
type progress struct {
	w     io.Writer
	width int // of the terminal; 0 when it is none
	now   func() time.Time
	last  time.Time // of the newest line elsewhere
	shown string
}

func newProgress(w io.Writer, env func(string) (string, bool)) *progress {
	p := &progress{w: w, now: time.Now}
	kind, _ := env("TERM")
	if f, ok := w.(*os.File); ok && isTerminal(w) && kind != "dumb" {
		p.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	p.last = p.now()
	return p
}

// tell shows a text.
func (p *progress) tell(text string) {
	text = strings.Join(strings.Fields(printable(text)), " ")
	switch {
	case p.width > 0 && text != p.shown:
		p.shown = text
		fmt.Fprintf(p.w, "\r\x1b[K%s", shortened(text, p.width-1))
	case p.width == 0 && p.now().Sub(p.last) >= between:
		p.last = p.now()
		fmt.Fprintln(p.w, text)
	}
}

// clear makes room for other output.
func (p *progress) clear() {
	if p.width > 0 && p.shown != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.shown = ""
}

// shortened is as much of a text as fits a line.
func shortened(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width || width < 2 {
		return text
	}
	return string(runes[:width-1]) + "…"
}
