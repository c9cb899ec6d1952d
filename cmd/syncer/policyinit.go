package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/fault"
)

var (
	//go:embed policies/plain.yaml
	plainPolicy string
	//go:embed policies/kubernetes.yaml
	kubernetesPolicy string
)

type policyInitOptions struct {
	kubernetes bool
	name       string
}

func newPolicyInit() *cobra.Command {
	var o policyInitOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Print a commented policy to start from",
		Example: `  syncer policy init > flags.yaml
  syncer policy init --kubernetes --name store > store.yaml`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.Flags().BoolVar(&o.kubernetes, "kubernetes", false, "for Kubernetes objects, not plain keys")
	cmd.Flags().StringVar(&o.name, "name", "", "`name` of the policy; default flags, or apps with --kubernetes")
	return cmd
}

func (o policyInitOptions) run(cmd *cobra.Command) error {
	text, name := plainPolicy, "flags"
	if o.kubernetes {
		text, name = kubernetesPolicy, "apps"
	}
	if o.name != "" {
		name = o.name
	}
	if !filter.ValidName(name) {
		return fault.New(fault.Usage, "use lower-case letters, digits and inner hyphens, at most 63", "%q cannot be the name of a policy", name)
	}
	text = strings.ReplaceAll(strings.Replace(text, "name: NAME", "name: "+name, 1), "FILE", name+".yaml")
	if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Next: syncer policy validate %s.yaml\n", name)
	return nil
}
