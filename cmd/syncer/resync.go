package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type resyncOptions struct {
	taskOptions
	plan, approve bool
	prefix        string
	full, wait    bool
}

// longWait is how long a resync may take that is waited for.
const longWait = time.Hour

func newResync(s *session) *cobra.Command {
	var o resyncOptions
	cmd := &cobra.Command{
		Use:     "resync [EDGE]",
		GroupID: groupOperate,
		Short:   "Compare an edge with the source, and bring over what differs",
		Long: `Compare an edge with its source and bring over exactly what differs. Edges do so by
themselves whenever they must; this command previews, scopes, forces, and approves.

  --plan     says what would change and what it costs, and changes nothing
  (nothing)  begins, and returns when the edge has begun; it goes on by itself,
             also after restarts and lost links
  --wait     returns when the resync has ended and says how the edge is then
  --approve  carries out the deletes that the mass-delete guard has parked up to
             now; it prints what it releases

In the cloud the request travels to the edge in the order of its changes, so that
an edge that is away gets it when it comes back. At the edge itself, with -c
edge.yaml, the name may be left out.

Prefixes are those of the keys at the edge.

Exit code: 0 done; 3 not in sync after --wait; 4 the edge did not answer in time;
5 the hub, the exporter or the importer cannot be reached; 7 the mass-delete guard
parked deletes.`,
		Example: `  syncer resync store-1 --plan
  syncer resync store-1 --prefix /flags/ --wait
  syncer resync store-1 --full
  syncer resync store-1 --approve
  syncer resync -c edge.yaml --plan -o json`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			if o.wait && !cmd.Flags().Changed("timeout") {
				o.timeout = longWait
			}
			return o.run(cmd, s)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.plan, "plan", false, "say what would change and what it costs; change nothing")
	flags.BoolVar(&o.approve, "approve", false, "carry out the deletes that the mass-delete guard parked")
	flags.StringVar(&o.prefix, "prefix", "", "only keys at the edge with this `prefix`")
	flags.BoolVar(&o.full, "full", false, "bring over every key, whether it differs or not")
	flags.BoolVar(&o.wait, "wait", false, "wait for the end; --timeout is 1h then if it is not given")
	o.addFlags(cmd)
	return cmd
}

func (o *resyncOptions) run(cmd *cobra.Command, s *session) error {
	switch {
	case o.plan && o.approve:
		return fault.New(fault.Usage, "give one of them", "--plan changes nothing and --approve does")
	case o.approve && (o.prefix != "" || o.full):
		return fault.New(fault.Usage, "see what is parked: syncer parked list", "--approve is about parked deletes, it takes no --prefix and no --full")
	case o.approve:
		return o.runApprove(cmd, s)
	}
	verb := command.Resync
	if o.plan {
		verb = command.Plan
	}
	c, err := scoped(command.New(verb), o.prefix)
	if err != nil {
		return err
	}
	c.Full = o.full
	op, sight, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	t := newTeller(cmd, s, o.out)
	if o.plan {
		return o.runPlan(cmd, op, sight, c, t)
	}
	e, err := o.ask(cmd, op, sight, c, t, o.enough(op))
	if err != nil {
		return err
	}
	if err := t.result(viewTask(e), func(p *page) { o.draw(p, e) }); err != nil {
		return err
	}
	if err := o.verdict(e); err != nil {
		return err
	}
	if !o.wait && o.out.forPeople() {
		fmt.Fprintf(cmd.ErrOrStderr(), "Next: syncer status %s --wait --for=in-sync\n", e.edge)
	}
	return nil
}

// enough is to have begun, and with --wait to have ended with the edge in a
// state that does not change by itself.
func (o *resyncOptions) enough(op operator) func(*errand) bool {
	if !o.wait {
		return func(e *errand) bool { return e.task.State != command.Waiting }
	}
	settled := false
	return func(e *errand) bool {
		if !e.task.State.Ended() {
			return false
		}
		if !settled {
			settled = true
			op.settle()
		}
		return e.task.State == command.Failed || e.task.Safety || atRest(e.sight.item.State)
	}
}

// atRest reports whether an edge stays in a state until somebody does
// something, or the source changes.
func atRest(s status.State) bool {
	return s == status.InSync || s == status.Degraded || s == status.Paused || s == status.Halted
}

func (o *resyncOptions) draw(p *page, e *errand) {
	switch {
	case !e.seen():
	case e.task.State == command.Done:
		p.line("%s: resync done at revision %s: %d equal, %d put, %d deleted, %s", e.edge, revision(e.task.Revision),
			e.task.Equal, e.task.Put, e.task.Delete, size(e.task.BytesDone))
	case e.task.State == command.Running:
		p.line("%s: the resync has begun; it goes on by itself", e.edge)
	}
	if e.seen() && e.task.State.Ended() && o.wait && e.err == nil {
		p.line("%s is %s%s", e.edge, e.sight.item.State, because(e.sight.item.Reason))
	}
	drawParkedScope(p, e)
}

// verdict is the error for a resync that did not get where it should.
func (o *resyncOptions) verdict(e *errand) error {
	it := e.sight.item
	switch {
	case e.err != nil:
		return e.err
	case e.task.Safety, o.wait && it.Guarded():
		return guarded(it, e.task.Reason)
	case e.task.State == command.Failed:
		return e.failed(fault.Check)
	case o.wait && it.State != status.InSync:
		return fault.New(fault.Check, firstOf(it.Try, "syncer status "+e.edge), "the resync is done, and %s is not in sync: %s%s", e.edge, it.State, because(it.Reason))
	}
	return nil
}

// guarded is the error for deletes that wait for approval.
func guarded(it status.Item, reason string) error {
	return fault.New(fault.Safety,
		fmt.Sprintf("look at them: syncer parked list %s; if they are right: syncer resync %s --approve", it.Name, it.Name),
		"the mass-delete guard parked deletes at %s%s", it.Name, because(firstOf(reason, it.Reason)))
}
