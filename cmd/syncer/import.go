package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator"
)

func newImport(s *session) *cobra.Command {
	var d daemonFlags
	cmd := &cobra.Command{
		Use:     "import [-c edge.yaml]",
		GroupID: groupDaemons,
		Short:   "Run the importer: receive changes and write them into the target etcd",
		Long: `Run the importer of one edge until a signal ends it. A hub or target that is
away is waited for.

When another importer takes over the same edge, this one stops with exit code 7:
two of them must never write.`,
		Example: `  syncer import -c syncer-edge/edge.yaml`,
		Args:    wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := s.importerConfig(d.overlay(importerFlags()))
			if err != nil {
				return err
			}
			_, bounded := s.env("GOMEMLIMIT")
			return untilStopped(cmd, func(ctx context.Context) error {
				if !bounded {
					stop := keepSmall(ctx)
					defer stop()
				}
				return replicator.Import(ctx, cfg, s.log.logger(cmd.ErrOrStderr()))
			})
		},
	}
	d.add(cmd.Flags(), importerFlags())
	return cmd
}
