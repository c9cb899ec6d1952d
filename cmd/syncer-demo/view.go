package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// view tells the story: a block that is redrawn on a terminal, one line a
// second elsewhere, only the last line with --check.
type view struct {
	out   io.Writer
	live  bool
	quiet bool
	every time.Duration
	began time.Time
	drawn bool
}

func newView(out io.Writer, o options) *view {
	v := &view{out: out, live: terminal(out) && !o.verbose, quiet: o.check, every: time.Second, began: time.Now()}
	if v.live {
		v.every = 100 * time.Millisecond
	}
	return v
}

// say prints one line of the story.
func (v *view) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if v.quiet && !strings.HasPrefix(line, "EQUAL") {
		return
	}
	v.erase()
	_, _ = fmt.Fprintf(v.out, "%5.1fs  %s\n", time.Since(v.began).Seconds(), line) // a closed terminal ends the demo by signal
}

// show prints the edge's status as the hub knows it.
func (v *view) show(ctx context.Context, s *stage, act string) {
	if v.quiet {
		return
	}
	e, published, err := s.report(ctx)
	if err != nil {
		return
	}
	age := "no report yet"
	if e.AgeSeconds != nil {
		age = fmt.Sprintf("report %.1fs old", *e.AgeSeconds)
	}
	behind := max(0, published-e.AppliedRevision)
	line := fmt.Sprintf("%-12s  edge %-13s  cloud at revision %-6d  edge at %-6d  behind %-5d  keys %-5d  %s",
		act, e.State, published, e.AppliedRevision, behind, e.Keys, age)
	if v.live {
		v.erase()
		_, _ = fmt.Fprintf(v.out, "        %s %s", bar(behind), line)
		v.drawn = true
		return
	}
	_, _ = fmt.Fprintf(v.out, "%5.1fs  %s\n", time.Since(v.began).Seconds(), line)
}

// erase clears the line that is redrawn.
func (v *view) erase() {
	if v.drawn {
		_, _ = fmt.Fprint(v.out, "\r\x1b[2K")
		v.drawn = false
	}
}

// bar grows with how far the edge is behind.
func bar(behind int64) string {
	n := 0
	for ; behind > 0 && n < 10; behind /= 2 {
		n++
	}
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", 10-n) + "]"
}
