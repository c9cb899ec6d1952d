package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type statusOptions struct {
	out     output
	watch   bool
	wait    bool
	goal    string
	timeout time.Duration
	edge    string // "" is every edge
	colour  bool
}

// statusView is what `syncer status` prints for programs.
type statusView struct {
	Kind
	Time time.Time `json:"time"` // the hub's clock
	status.List
}

func newStatus(s *session) *cobra.Command {
	o := statusOptions{goal: goalInSync}
	cmd := &cobra.Command{
		Use:     "status [EDGE]",
		GroupID: groupLook,
		Short:   "Say how the edges of a source are",
		Long: `Say how the edges of a source are, from their own reports, the exporter's, and
the list of pairs on the hub. "in-sync" is said only when the edge has proven its
contents equal to the source's and the exporter's newest report does not say
otherwise. Every line carries the age of the report it rests on.

Exit code: 0 when everything asked for is in-sync, 3 when not, 7 when the
mass-delete guard has stopped a rule (--wait does not wait then: somebody has to
approve), 4 when --wait timed out, 5 when the hub cannot be reached, 2 for an edge
that does not exist. With --for=connected, being connected is enough.`,
		Example: `  syncer status
  syncer status store-1 -o json
  syncer status store-1 --wait --for=in-sync --timeout 1m
  syncer status --watch`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.edge = args[0]
			}
			return o.run(cmd, s)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.watch, "watch", "w", false, "print again whenever something changes, until interrupted")
	flags.BoolVar(&o.wait, "wait", false, "wait until everything asked for has the state of --for")
	flags.Var(oneOf{&o.goal, []string{goalInSync, goalConnected}}, "for", "what to wait for")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "how long --wait waits")
	o.out.addFlags(cmd)
	return cmd
}

func (o statusOptions) run(cmd *cobra.Command, s *session) error {
	if o.wait && o.watch {
		return fault.New(fault.Usage, "give one of them", "--wait ends by itself and --watch does not")
	}
	o.colour = wantsColour(cmd.OutOrStdout(), s.env)
	ctx, cancel := o.bound(cmd.Context())
	defer cancel()
	c, err := o.open(ctx, cmd, s)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	observer, err := newObserver(c, o.edge)
	if err != nil {
		return err
	}
	defer observer.close()
	switch {
	case o.wait:
		return o.waitFor(ctx, cmd, observer)
	case o.watch:
		return o.follow(cmd, observer)
	default:
		return o.once(cmd, observer)
	}
}

// settle is how long a change may be on its way before its edge counts as
// behind.
const settle = 3 * status.ReportInterval

// once prints one status. An edge that only has not reported the newest change
// yet is given the time for its next reports.
func (o statusOptions) once(cmd *cobra.Command, observer *observer) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), settle)
	defer cancel()
	v, err := observer.look(cmd.Context(), nil)
	if err != nil {
		return err
	}
	floors := v.newest
	for v.overtaken() && observer.changed(ctx) == nil {
		if v, err = observer.look(cmd.Context(), floors); err != nil {
			return err
		}
	}
	if cmd.Context().Err() != nil {
		return context.Cause(cmd.Context())
	}
	if err := o.print(cmd, v); err != nil {
		return err
	}
	return o.verdict(v.list)
}

func (o statusOptions) print(cmd *cobra.Command, v view) error {
	object := statusView{Kind: kind("StatusList"), Time: v.now, List: v.list}
	edges := make([]string, len(v.list.Items))
	for i, it := range v.list.Items {
		edges[i] = it.Name
	}
	return o.out.print(cmd.OutOrStdout(), object, func(p *page) { o.draw(p, v.list) }, edges...)
}

// verdict is the error for edges that are not as they should be.
func (o statusOptions) verdict(list status.List) error {
	var bad []status.Item
	for _, it := range list.Items {
		if !o.reached(it) {
			bad = append(bad, it)
		}
	}
	if stopped := o.stopped(list); stopped != nil {
		return stopped
	}
	switch {
	case len(bad) == 1:
		return fault.New(fault.Check, firstOf(bad[0].Try, "syncer status "+bad[0].Name+" --wait"),
			"edge %s is not %s: %s%s", bad[0].Name, o.goal, bad[0].State, because(bad[0].Reason))
	case len(bad) > 1:
		return fault.New(fault.Check, "syncer status --wait, or look at one of them: syncer status "+bad[0].Name,
			"%d of %d edges are not %s", len(bad), len(list.Items), o.goal)
	case list.Exporter.State != status.ExporterActive:
		return fault.New(fault.Check, list.Exporter.Try, "%s", list.Exporter.Reason)
	}
	return nil
}

// stopped is the error for an edge whose deletes wait for approval, if there is
// one: it does not come in sync by waiting.
func (o statusOptions) stopped(list status.List) error {
	for _, it := range list.Items {
		if !o.reached(it) && it.Guarded() {
			return guarded(it, "")
		}
	}
	return nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + printable(reason) + ")"
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return printable(t)
		}
	}
	return ""
}

// The goals of --for.
const (
	goalInSync    = "in-sync"
	goalConnected = "connected"
)

func (o statusOptions) reached(it status.Item) bool {
	if o.goal == goalConnected {
		return it.State != status.Disconnected
	}
	return it.State == status.InSync
}

// follow prints the status at once and whenever it changes.
func (o statusOptions) follow(cmd *cobra.Command, observer *observer) error {
	var history floors
	last := ""
	for {
		v, err := observer.look(cmd.Context(), history.settled(time.Now()))
		if err != nil && cmd.Context().Err() == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "Error: %v\n", err)
		} else if err == nil {
			history.add(time.Now(), v.newest)
			if now := v.gist(); now != last {
				last = now
				if err := o.printAgain(cmd, v); err != nil {
					return err
				}
			}
		}
		if err := observer.changed(cmd.Context()); err != nil {
			return err
		}
	}
}

// printAgain prints one status of many: a screen of its own on a terminal, one
// line each for programs.
func (o statusOptions) printAgain(cmd *cobra.Command, v view) error {
	if o.out.format == "json" {
		return printLine(cmd.OutOrStdout(), statusView{Kind: kind("StatusList"), Time: v.now, List: v.list})
	}
	if o.out.format == "yaml" {
		fmt.Fprintln(cmd.OutOrStdout(), "---")
	}
	if o.out.forPeople() {
		if isTerminal(cmd.OutOrStdout()) {
			fmt.Fprint(cmd.OutOrStdout(), "\x1b[H\x1b[2J")
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", v.now.Local().Format(time.TimeOnly))
	}
	return o.print(cmd, v)
}
