package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// runApprove releases the deletes that are parked as the command begins, and
// no others: what is parked later was not seen by whoever approves.
func (o *resyncOptions) runApprove(cmd *cobra.Command, s *session) error {
	op, sight, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	if sight.item.AgeSeconds == nil {
		return unheard(sight.item)
	}
	t := newTeller(cmd, s, o.out)
	groups := status.Guarded(sight.item.Parked)
	if len(groups) == 0 {
		e := &errand{edge: sight.item.Name, sight: sight, task: command.Task{State: command.Done}, command: command.Command{Verb: command.Approve}}
		return t.result(viewTask(e), func(p *page) {
			p.line("%s: the mass-delete guard has parked nothing%s", e.edge, asOf(sight.item))
		})
	}
	c := command.New(command.Approve)
	for _, g := range groups {
		c.Groups = append(c.Groups, g.ID)
	}
	if err := checked(c); err != nil {
		return err
	}
	o.announce(cmd, sight.item, groups)
	e, err := o.ask(cmd, op, sight, c, t, over)
	if err != nil {
		return err
	}
	v := viewTask(e)
	v.Released = groups
	if err := t.result(v, func(p *page) { drawApproved(p, e, groups) }); err != nil {
		return err
	}
	if e.err != nil {
		return e.err
	}
	return e.failed(fault.Check)
}

// announce says what is released before it is.
func (o *resyncOptions) announce(cmd *cobra.Command, it status.Item, groups []status.Parked) {
	if !o.out.forPeople() {
		return
	}
	p := &page{}
	p.line("%s: releasing%s", it.Name, asOf(it))
	drawReleased(p, groups)
	fmt.Fprint(cmd.OutOrStdout(), p.String())
}

func drawReleased(p *page, groups []status.Parked) {
	rows := [][]cell{plain("  GROUP", "RULE", "DELETES", "OF", "REVISION")}
	for _, g := range groups {
		rows = append(rows, plain("  "+g.ID, dash(g.Rule), fmt.Sprint(g.Keys), ofKeys(g), revision(g.Revision)))
	}
	p.table(rows)
	for _, g := range groups {
		if len(g.Sample) > 0 {
			p.line("  %s: %s", g.ID, sampleList(g))
		}
	}
}

func ofKeys(g status.Parked) string {
	if g.Of == 0 {
		return "-"
	}
	return fmt.Sprint(g.Of)
}

// drawApproved says what was released. A report names only the oldest groups:
// what is left may have been behind them, or is new.
func drawApproved(p *page, e *errand, groups []status.Parked) {
	if !e.told() {
		return
	}
	n := 0
	for _, g := range groups {
		if len(e.task.Groups) == 0 || slices.Contains(e.task.Groups, g.ID) {
			n++
		}
	}
	p.line("%s: %s released", e.edge, status.Count(uint64(n), "group is", "groups are"))
	left := slices.DeleteFunc(status.Guarded(e.sight.item.Parked), func(g status.Parked) bool {
		return slices.ContainsFunc(groups, func(r status.Parked) bool { return r.ID == g.ID })
	})
	if len(left) > 0 {
		p.line("%s: %s parked that this did not release; see: syncer parked list %s", e.edge, status.Count(uint64(len(left)), "group is", "groups are"), e.edge)
	}
}

// unheard is the error for what only an edge can tell that has told nothing.
func unheard(it status.Item) error {
	return fault.New(fault.Check, firstOf(it.Try, "syncer status "+it.Name), "what is parked at %s is not known: %s", it.Name, firstOf(it.Reason, "it has never reported"))
}

// asOf dates what an edge said that is not heard now.
func asOf(it status.Item) string {
	if it.State != status.Disconnected {
		return ""
	}
	return ", as of its report " + age(it.AgeSeconds) + " ago"
}
