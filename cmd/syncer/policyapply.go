package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

type policyApplyOptions struct {
	files   policyFiles
	approve bool
	out     output
}

func newPolicyApply(s *session) *cobra.Command {
	var o policyApplyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE...",
		Short: "Have policies in force, without a restart of the exporter",
		Long: `Have policies in force. The exporter checks and weighs them as for plan, keeps
them on the hub and in its data directory, and follows them at once; edges get
the difference.

When the plan would delete more than the mass-delete guard allows, or leave an
edge without a channel that has one, nothing is applied and the exit code is 7;
--approve applies it. The guard at each edge asks about its deletes all the same.

A policy of the exporter's own configuration cannot be applied: change its file.`,
		Example: `  syncer policy apply -f store.yaml
  syncer policy apply -f store.yaml -f flags.yaml --approve`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s) },
	}
	o.files.addFlags(cmd)
	cmd.Flags().BoolVar(&o.approve, "approve", false, "apply it although the guard would stop it")
	o.out.addFlags(cmd)
	return cmd
}

func (o policyApplyOptions) run(cmd *cobra.Command, s *session) error {
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	documents, err := o.files.read(cmd, c.cfg.Cluster())
	if err != nil {
		return err
	}
	reply, err := c.askPolicy(cmd, s, jetstream.PolicyRequest{Verb: jetstream.ApplyPolicies, Documents: documents, Approve: o.approve})
	if reply.Plan != nil && (err == nil || fault.ExitCode(err) == int(fault.Safety)) {
		if err := o.out.printPlan(cmd, reply.Plan, err == nil); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if o.out.forPeople() {
		o.advise(cmd, reply)
	}
	return nil
}

func (o policyApplyOptions) advise(cmd *cobra.Command, reply jetstream.PolicyReply) {
	w := cmd.ErrOrStderr()
	switch {
	case !reply.Plan.Changes():
		fmt.Fprintln(w, "That is in force already.")
	case reply.Plan.Stopped() > 0:
		fmt.Fprintln(w, "Applied. Edges that have too much to delete ask once more.\nNext: syncer status, then for each of them: syncer resync EDGE --approve")
	default:
		fmt.Fprintln(w, "Applied.\nNext: syncer status --wait")
	}
}
