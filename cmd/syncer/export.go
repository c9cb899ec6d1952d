package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator"
)

func newExport(s *session) *cobra.Command {
	var d daemonFlags
	cmd := &cobra.Command{
		Use:     "export [-c cloud.yaml]",
		GroupID: groupDaemons,
		Short:   "Run the exporter: follow the source etcd and publish its changes",
		Long: `Run the exporter of one source until a signal ends it. A source or hub that is
away is waited for. A second exporter of the same source stands by and takes
over when the first one stops.`,
		Example: `  syncer export -c cloud.yaml
  syncer export -c cloud.yaml --source-endpoints http://127.0.0.1:2379`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := s.exporterConfig(d.overlay(exporterFlags()))
			if err != nil {
				return err
			}
			return untilStopped(cmd, func(ctx context.Context) error {
				return replicator.Export(ctx, cfg, s.log.logger(cmd.ErrOrStderr()))
			})
		},
	}
	d.add(cmd.Flags(), exporterFlags())
	return cmd
}
