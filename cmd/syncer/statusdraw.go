package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/status"
)

// draw is the status for people.
func (o statusOptions) draw(p *page, list status.List) {
	x := list.Exporter
	p.line("source %s at revision %d, exporter %s%s", list.Source.Name, list.Source.Revision, x.State, reported(x.AgeSeconds))
	if t := list.Source.Tier; t != "" && t != source.Tier {
		p.line("  read with tier %s", t)
	}
	if x.Reason != "" {
		p.line("  %s", x.Reason)
	}
	if x.Reason != "" && x.Try != "" {
		p.line("  Try: %s", x.Try)
	}
	for _, c := range list.Source.Channels {
		drawSpool(p, c)
	}
	o.drawEdges(p, list.Items)
	for _, c := range list.Source.Channels {
		drawChannel(p, c)
	}
}

// drawSpool says what is kept of a channel that the hub has not got yet, or why
// nothing is.
func drawSpool(p *page, c status.Channel) {
	switch s := c.Spool; {
	case s == nil:
	case s.Full:
		p.line("  the spool of channel %s reached its bound of %s and was dropped: %s", c.Name, size(s.MaxBytes), s.Reason)
	case s.Revision == 0:
		p.line("  nothing is spooled of channel %s: %s", c.Name, s.Reason)
	default:
		p.line("  spooled of channel %s: %s up to revision %d, %s of %s", c.Name,
			status.Count(s.Revisions, "revision", "revisions"), s.Revision, size(s.Bytes), size(s.MaxBytes))
	}
}

func (o statusOptions) drawEdges(p *page, items []status.Item) {
	if len(items) == 0 {
		p.line("no edges are paired; Next: syncer pair create EDGE")
		return
	}
	p.line("")
	rows := [][]cell{o.head()}
	for _, it := range items {
		rows = append(rows, o.row(it))
	}
	p.table(rows)
	for _, it := range items {
		drawReason(p, it)
	}
}

// drawChannel says what is wrong with a channel.
func drawChannel(p *page, c status.Channel) {
	if c.Trouble != "" {
		p.line("")
		p.line("channel %s fails and is tried again:", c.Name)
		p.line("  %s", printable(c.Trouble))
	}
	if c.Trouble != "" && c.Try != "" {
		p.line("  Try: %s", printable(c.Try))
	}
	if c.Refused != nil {
		drawRefused(p, c)
	}
}

// shownRefused is how many objects are named that cannot be read.
const shownRefused = 5

// drawRefused names the objects of the source that edges cannot have.
func drawRefused(p *page, c status.Channel) {
	p.line("")
	p.line("channel %s: %s at the source cannot be delivered:", c.Name, status.Count(c.Refused.Objects, "object", "objects"))
	shown := c.Refused.First[:min(len(c.Refused.First), shownRefused)]
	for _, r := range shown {
		p.line("  %s: %s", printable(r.Key), printable(r.Reason))
	}
	if more := c.Refused.Objects - uint64(len(shown)); more > 0 {
		p.line("  and %d more; -o json names %d", more, len(c.Refused.First))
	}
}

func (o statusOptions) head() []cell {
	head := plain("EDGE", "STATE", "LAG", "PENDING", "VERIFIED", "REPORT")
	if o.out.wide() {
		head = append(head, plain("POLICY", "CHANNEL", "APPLIED", "SOURCE", "LINEAGE", "KEYS", "TIER", "RESYNCS", "TORN", "PARKED", "VERSION")...)
	}
	return head
}

func (o statusOptions) row(it status.Item) []cell {
	row := plain(it.Name, string(it.State), lag(it), pending(it), revision(it.VerifiedRevision), age(it.AgeSeconds))
	if o.colour {
		row[1].style = colours(it.State)
	}
	if o.out.wide() {
		row = append(row, plain(dash(it.Policy), dash(it.Channel), revision(it.AppliedRevision), revision(it.SourceRevision),
			dash(it.Lineage.String()), fmt.Sprint(it.Keys), dash(it.Tier), fmt.Sprint(it.Resyncs), fmt.Sprint(it.Torn), fmt.Sprint(it.ParkedKeys), dash(it.Version))...)
	}
	return row
}

// drawReason says under the table why an edge is not in sync, and what it was
// asked to do.
func drawReason(p *page, it status.Item) {
	tasks := unended(it)
	if it.State == status.InSync && len(tasks) == 0 || it.Reason == "" && it.RangesLeft == 0 && it.ParkedKeys == 0 && len(tasks) == 0 {
		return
	}
	p.line("")
	p.line("%s: %s", it.Name, firstOf(it.Reason, string(it.State)))
	if it.RangesLeft > 0 {
		p.line("  %d ranges, about %s, are still to be copied", it.RangesLeft, size(it.BytesLeft))
	}
	if it.ParkedKeys > 0 {
		p.line("  %s parked:", keysAre(it.ParkedKeys))
		drawGroups(p, it)
	}
	for _, t := range tasks {
		p.line("  %s: %s", t.Verb, describeTask(t))
	}
	if it.Try != "" {
		p.line("  Try: %s", it.Try)
	}
}

// unended are the commands that the edge has not ended.
func unended(it status.Item) []command.Task {
	var out []command.Task
	for _, t := range it.Tasks {
		if !t.State.Ended() {
			out = append(out, t)
		}
	}
	return out
}

func lag(it status.Item) string {
	switch {
	case it.LagRevisions == nil:
		return "unknown"
	case *it.LagRevisions == 0:
		return "0"
	case it.LagSeconds == nil:
		return fmt.Sprintf("%d rev", *it.LagRevisions)
	default:
		return fmt.Sprintf("%d rev, %s", *it.LagRevisions, age(it.LagSeconds))
	}
}

func pending(it status.Item) string {
	if it.PendingChangesets == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", it.PendingChangesets, size(it.PendingBytes))
}

func revision(r int64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprint(r)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func age(seconds *float64) string {
	if seconds == nil {
		return "never"
	}
	return status.Ago(time.Duration(*seconds * float64(time.Second)))
}

func reported(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return ", reported " + age(seconds) + " ago"
}

func printLine(w io.Writer, object any) error { return json.NewEncoder(w).Encode(object) }
