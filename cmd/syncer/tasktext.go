package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// describeTask says in one line how far a task is.
func describeTask(t command.Task) string {
	switch {
	case t.State == command.Waiting:
		return "waiting for its turn"
	case t.State == command.Running && t.Bytes <= 0:
		return "comparing"
	case t.State == command.Running:
		return fmt.Sprintf("running: %d %%, %s of %s, %s", percent(t), size(t.BytesDone), size(t.Bytes), timeLeft(t))
	case t.Reason != "":
		return string(t.State) + because(t.Reason)
	default:
		return string(t.State)
	}
}

// percent never says 100 before everything is there.
func percent(t command.Task) int64 {
	if t.Bytes <= 0 || t.BytesDone >= t.Bytes {
		return 100
	}
	return int64(float64(max(t.BytesDone, 0)) / float64(t.Bytes) * 100)
}

func timeLeft(t command.Task) string {
	if eta, ok := t.ETA(); ok {
		return "about " + roughly(eta) + " left"
	}
	return "time left unknown"
}

// roughly is a time to come: never 0 seconds.
func roughly(d time.Duration) string { return status.Ago(max(d+time.Second-1, time.Second)) }

// keys is a number of keys.
func keys[N int | uint64](n N) string { return status.Count(uint64(n), "key", "keys") }

// quoted is a key on one line of a terminal, whatever bytes it has.
func quoted(key []byte) string { return strconv.Quote(string(key)) }

// drawSamples names keys that differ, at most so many; total is how many there
// are.
func drawSamples(p *page, samples []command.Sample, most int, total uint64) {
	shown := min(len(samples), most)
	for _, s := range samples[:shown] {
		p.line("  %-9s  %s", s.How, quoted(s.Key))
	}
	if rest := total - uint64(shown); total > uint64(shown) && shown > 0 {
		p.line("  and %d more", rest)
	}
}

// drawParkedScope names keys that a comparison had to leave out.
func drawParkedScope(p *page, e *errand) {
	if e.task.Local > 0 {
		p.line("  %s, and not compared", status.Count(uint64(e.task.Local), "key is what the edge made of it, as its rule says", "keys are what the edge made of them, as their rules say"))
	}
	if e.task.Parked == 0 {
		return
	}
	p.line("  %s parked and not compared; see: syncer parked list %s", status.Count(uint64(e.task.Parked), "key is", "keys are"), e.edge)
	drawGroups(p, e.sight.item)
}

// shownGroups is how many parked groups a summary names.
const shownGroups = 5

// drawGroups names the parked groups of an edge, a line each.
func drawGroups(p *page, it status.Item) {
	for i, g := range it.Parked {
		if i == shownGroups {
			p.line("    and %s more", status.Count(uint64(len(it.Parked)-i), "group", "groups"))
			return
		}
		p.line("    %s  %s%s", g.ID, groupTitle(g), because(g.Reason))
	}
}

// groupTitle says in few words what a parked group is.
func groupTitle(g status.Parked) string {
	text := g.Why + ", " + keys(g.Keys)
	if g.Why == status.MassDelete {
		text = g.Why + ", " + status.Count(uint64(g.Keys), "delete", "deletes")
		if g.Of > 0 {
			text += fmt.Sprintf(" of %d keys", g.Of)
		}
		if g.Rule != "" {
			text += " of rule " + g.Rule
		}
	}
	if g.Dropped {
		text += ", dropped"
	}
	if len(g.Sample) > 0 {
		text += ": " + sampleList(g)
	}
	return text
}

// sampleList is the first keys of a parked group.
func sampleList(g status.Parked) string {
	const most = 3
	out := ""
	for i, key := range g.Sample[:min(len(g.Sample), most)] {
		if i > 0 {
			out += ", "
		}
		out += quoted(key)
	}
	if g.Keys > min(len(g.Sample), most) {
		out += ", …"
	}
	return out
}
