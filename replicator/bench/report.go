package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

// page is the whole of docs/benchmarks.md: no figure in it is written by hand.
func (r *results) page() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the template of the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, view{r}); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return b.Bytes(), nil
}

// view gives the template what it shows.
type view struct{ r *results }

func (v view) Machine() machine     { return v.r.machine }
func (v view) Date() string         { return v.r.date.UTC().Format("2006-01-02") }
func (v view) Took() string         { return v.r.took.Round(1e9).String() }
func (v view) Quick() bool          { return v.r.options.quick }
func (v view) Compressed() string   { return fmt.Sprintf("%.0f %%", v.r.compressed*100) }
func (v view) RoundTrip() string    { return roundTrip.String() }
func (v view) Writing() string      { return fmt.Sprintf("%.0f s", v.r.options.writing.Seconds()) }
func (v view) Writers() int         { return flatWriters }
func (v view) FlatKeys() string     { return group(flatWriters * keysPerWriter) }
func (v view) LagKeys() string      { return group(lagKeys) }
func (v view) BurstWriters() int    { return distanceWriters }
func (v view) ValueBytes() string   { return group(valueBytes) }
func (v view) HasCopies() bool      { return len(v.r.copies) > 0 }
func (v view) HasFlat() bool        { return v.r.flat != nil }
func (v view) HasLags() bool        { return len(v.r.lags) > 0 }
func (v view) HasFar() bool         { return v.r.far != nil }
func (v view) AloneRate() string    { return v.r.flat.alone.show(whole) }
func (v view) FarRevisions() string { return group(int64(v.r.far.revisions)) }

func (v view) Copies() string {
	t := newTable("keys", "tool", "time", "keys/s", "against make-mirror", "CPU time", "proven equal after")
	for _, c := range v.r.copies {
		for _, who := range []*copied{c.mirror, c.warm, c.cold} {
			ratio := who.took.over(1).against(c.mirror.took.over(1)).show(times)
			if who == c.mirror {
				ratio = "1"
			}
			t.add(group(int64(c.keys)), who.name, who.took.show(seconds), who.took.over(float64(c.keys)).show(whole), ratio, who.cpu.show(seconds), who.proof.show(seconds))
		}
	}
	return t.String()
}

func (v view) Flat() string {
	t := newTable("tool", "written, revisions/s", "followed while writing", "drained after", "CPU time for 1,000 revisions")
	for _, who := range []*followed{v.r.flat.mirror, v.r.flat.syncer} {
		t.add(who.name, who.written.show(whole), who.share.show(percent), who.drain.show(seconds), who.cpu.show(func(v float64) string { return milliseconds(v / 1e3) }))
	}
	return t.String()
}

func (v view) Lags() string {
	t := newTable("writes/s", "tool", "p50", "p99")
	for _, l := range v.r.lags {
		for _, who := range []*lagging{l.mirror, l.syncer} {
			t.add(group(int64(l.rate)), who.name, who.p50.show(milliseconds), who.p99.show(milliseconds))
		}
	}
	return t.String()
}

func (v view) Far() string {
	t := newTable("tool", "time", "revisions/s")
	for _, who := range v.r.far.all {
		t.add(who.name, who.took.show(seconds), who.took.over(float64(v.r.far.revisions)).show(whole))
	}
	return t.String()
}

// Memory is the peak of each process in each measurement.
func (v view) Memory() string {
	t := newTable("measurement", "make-mirror", "importer", "exporter", "hub")
	row := func(name string, all ...usage) {
		u := usage{}
		for _, o := range all {
			u = u.max(o)
		}
		t.add(name, megabytes(u["make-mirror"].peak), megabytes(u["importer"].peak), megabytes(u["exporter"].peak), megabytes(u["hub"].peak))
	}
	for _, c := range v.r.copies {
		row(fmt.Sprintf("first copy of %s keys", group(int64(c.keys))), c.mirror.usage, c.warm.usage, c.cold.usage)
	}
	if f := v.r.flat; f != nil {
		row("writers flat out", f.mirror.usage, f.syncer.usage)
	}
	if m := v.r.missed; m != nil {
		row("back from an outage", usages(m.near)...)
	}
	if d := v.r.differing; len(d) > 0 {
		row(fmt.Sprintf("back from an outage, %s keys", v.DifferingKeys()), usages(d)...)
	}
	return t.String()
}

// table is a table in Markdown.
type table struct {
	width int
	lines []string
}

func newTable(head ...string) *table {
	t := &table{width: len(head)}
	t.add(head...)
	t.lines = append(t.lines, "|"+strings.Repeat(" --- |", t.width))
	return t
}

func (t *table) add(cells ...string) {
	t.lines = append(t.lines, "| "+strings.Join(cells, " | ")+" |")
}

func (t *table) String() string { return strings.Join(t.lines, "\n") }
