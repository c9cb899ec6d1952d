package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type parkedOptions struct {
	taskOptions
	all bool
}

func newParkedRetry(s *session) *cobra.Command {
	var o parkedOptions
	cmd := &cobra.Command{
		Use:   "retry [GROUP...]",
		Short: "Try parked groups again",
		Long: `Try parked groups again, those that are named or all of an edge. Deletes that the
guard stopped are asked of the guard again: to release them, approve them.

Exit code: 0 nothing of them is parked any more, 3 some of it is, 4 no answer in
time, 5 unreachable.`,
		Example: `  syncer parked retry GROUP
  syncer parked retry --all --edge store-1`,
		Args: anyNumber,
		RunE: func(cmd *cobra.Command, args []string) error { return o.retry(cmd, s, args) },
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "all groups of the edge")
	edgeFlag(cmd, &o.edge)
	o.addFlags(cmd)
	return cmd
}

// anyNumber lets the command itself say which arguments it needs.
func anyNumber(*cobra.Command, []string) error { return nil }

func (o *parkedOptions) retry(cmd *cobra.Command, s *session, ids []string) error {
	switch {
	case len(ids) == 0 && !o.all:
		return fault.New(fault.Usage, "syncer parked list", "%s needs the IDs of groups, or --all", cmd.CommandPath())
	case len(ids) > 0 && o.all:
		return fault.New(fault.Usage, "give one of them", "--all is every group, and groups are named too")
	}
	op, sights, err := s.openParked(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	at, groups, err := o.chosen(sights, ids)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "Nothing is parked.")
		return nil
	}
	e, t, err := o.order(cmd, s, op, at, command.Retry, groups)
	if err != nil {
		return err
	}
	left := stillParked(e, groups)
	err = t.result(viewTask(e), func(p *page) {
		if e.told() {
			p.line("%s: %s tried again, %d still parked", e.edge, status.Count(uint64(len(groups)), "group was", "groups were"), len(left))
		}
	})
	if err != nil {
		return err
	}
	return retried(e, left)
}

// chosen are the groups that are named, or all of the only edge that has some.
func (o *parkedOptions) chosen(sights []sight, ids []string) (sight, []status.Parked, error) {
	if !o.all {
		return find(sights, ids)
	}
	have := parkedHere(sights)
	switch len(have) {
	case 0:
		return sight{}, nil, nil
	case 1:
		return have[0], have[0].item.Parked, nil
	default:
		return sight{}, nil, fault.New(fault.Usage, "choose one with --edge", "%d edges have parked groups", len(have))
	}
}

// order gives a command about groups to their edge and waits for its end.
func (o *parkedOptions) order(cmd *cobra.Command, s *session, op operator, at sight, verb command.Verb, groups []status.Parked) (*errand, *teller, error) {
	c := command.New(verb)
	for _, g := range groups {
		c.Groups = append(c.Groups, g.ID)
	}
	if err := checked(c); err != nil {
		return nil, nil, err
	}
	t := newTeller(cmd, s, o.out)
	e, err := o.ask(cmd, op, at, c, t, over)
	return e, t, err
}

// stillParked are the groups that the edge still tells of, or tells of again.
func stillParked(e *errand, groups []status.Parked) []status.Parked {
	return slices.DeleteFunc(slices.Clone(e.sight.item.Parked), func(g status.Parked) bool {
		return !slices.ContainsFunc(groups, func(w status.Parked) bool { return w.ID == g.ID })
	})
}

func retried(e *errand, left []status.Parked) error {
	switch {
	case e.err != nil:
		return e.err
	case e.task.State == command.Failed:
		return e.failed(fault.Check)
	case len(left) > 0:
		return fault.New(fault.Check, "syncer parked show "+left[0].ID, "%s still parked at %s: %s%s", status.Count(uint64(len(left)), "group is", "groups are"),
			e.edge, left[0].ID, because(left[0].Reason))
	}
	return nil
}
