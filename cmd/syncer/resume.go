package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
)

func newResume(s *session) *cobra.Command {
	var o taskOptions
	cmd := &cobra.Command{
		Use:     "resume [EDGE]",
		GroupID: groupOperate,
		Short:   "Have a paused edge go on",
		Long: `Have an edge that was paused go on from where it stopped.

Exit code: 0 resumed, 1 the edge failed to, 4 no answer in time, 5 unreachable.`,
		Example: `  syncer resume store-1
  syncer resume -c edge.yaml`,
		Args: wants(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.take(args)
			return o.toggle(cmd, s, command.Resume, "resumed; Next: syncer status ")
		},
	}
	o.addFlags(cmd)
	return cmd
}
