package main

import (
	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter/schema"
)

func newPolicySchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policies, for editors",
		Long: `Print the JSON Schema (2020-12) of policies. Editors complete and check policies
with it; the YAML language server reads it when a policy begins with

  # yaml-language-server: $schema=policy.schema.json`,
		Example: `  syncer policy schema > policy.schema.json`,
		Args:    wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(schema.Policy())
			return err
		},
	}
}
