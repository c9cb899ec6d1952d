package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

func newPause(s *session) *cobra.Command {
	var o taskOptions
	cmd := &cobra.Command{
		Use:     "pause [EDGE]",
		GroupID: groupOperate,
		Short:   "Have an edge apply nothing until it is resumed",
		Long: `Have an edge apply nothing. It goes on receiving, as far as its inbox has room, so
that nothing is lost, and it says "paused" until it is resumed.

Exit code: 0 paused, 1 the edge failed to, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer pause store-1
  syncer pause -c edge.yaml`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			return o.toggle(cmd, s, command.Pause, "paused: it receives and applies nothing; Next: syncer resume ")
		},
	}
	o.addFlags(cmd)
	return cmd
}

// toggle has an edge pause or go on.
func (o *taskOptions) toggle(cmd *cobra.Command, s *session, verb command.Verb, done string) error {
	op, sight, err := s.theEdge(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	t := newTeller(cmd, s, o.out)
	e, err := o.ask(cmd, op, sight, command.New(verb), t, over)
	if err != nil {
		return err
	}
	err = t.result(viewTask(e), func(p *page) {
		if e.told() {
			p.line("%s is %s%s", e.edge, done, e.edge)
		}
	})
	if err != nil {
		return err
	}
	if e.err != nil {
		return e.err
	}
	return e.failed(fault.General)
}
