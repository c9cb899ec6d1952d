package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

func newParkedDrop(s *session) *cobra.Command {
	var o parkedOptions
	cmd := &cobra.Command{
		Use:   "drop GROUP...",
		Short: "Try parked groups no more by themselves",
		Long: `Give parked groups up: they are not tried again by themselves. The keys keep what
they hold, which is not what the source has, so that the edge stays "degraded".
To have another try: syncer parked retry GROUP

Exit code: 0 dropped, 1 the edge failed to, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer parked drop GROUP
  syncer parked drop GROUP --edge store-1`,
		Args: anyNumber,
		RunE: func(cmd *cobra.Command, args []string) error { return o.drop(cmd, s, args) },
	}
	edgeFlag(cmd, &o.edge)
	o.addFlags(cmd)
	return cmd
}

func (o *parkedOptions) drop(cmd *cobra.Command, s *session, ids []string) error {
	if len(ids) == 0 {
		return fault.New(fault.Usage, "syncer parked list", "%s needs the IDs of groups, one by one", cmd.CommandPath())
	}
	op, sights, err := s.openParked(cmd, o.edge)
	if err != nil {
		return err
	}
	defer op.close()
	at, groups, err := find(sights, ids)
	if err != nil {
		return err
	}
	e, t, err := o.order(cmd, s, op, at, command.Drop, groups)
	if err != nil {
		return err
	}
	err = t.result(viewTask(e), func(p *page) {
		if e.told() {
			p.line("%s: %s dropped; the edge stays degraded, for the keys do not hold what the source has", e.edge,
				status.Count(uint64(len(groups)), "group is", "groups are"))
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
