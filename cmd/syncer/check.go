package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/syncer-io/syncer/replicator/fault"
)

// The results of a check.
const (
	resultOK   = "OK"
	resultWarn = "WARN"
	resultFail = "FAIL"
)

// check is one thing that was looked at.
type check struct {
	Result string `json:"result"`
	Text   string `json:"text"`
	Try    string `json:"try,omitempty"`
}

func (c check) draw(p *page, colour bool) {
	word := cell{text: fmt.Sprintf("  %-4s", c.Result)}
	if colour {
		word.style = map[string]string{resultOK: green, resultWarn: yellow, resultFail: red}[c.Result]
	}
	p.table([][]cell{{word, {text: c.Text}}})
	if c.Try != "" {
		p.line("         Try: %s", c.Try)
	}
}

// checkGroup holds the checks of one subject.
type checkGroup struct {
	Name   string  `json:"name"`
	Checks []check `json:"checks"`
}

// doctor collects checks.
type doctor struct {
	ctx    context.Context // of the command; no call outlives it
	log    *slog.Logger
	env    func(string) (string, bool)
	groups []*checkGroup
}

// group starts a new subject.
func (d *doctor) group(name string) {
	d.groups = append(d.groups, &checkGroup{Name: name, Checks: []check{}})
}

func (d *doctor) add(c check) {
	g := d.groups[len(d.groups)-1]
	g.Checks = append(g.Checks, c)
}

func (d *doctor) ok(format string, args ...any) {
	d.add(check{Result: resultOK, Text: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(try, format string, args ...any) {
	d.add(check{Result: resultWarn, Text: fmt.Sprintf(format, args...), Try: try})
}

func (d *doctor) fail(err error) {
	d.add(check{Result: resultFail, Text: err.Error(), Try: fault.Try(err)})
}
