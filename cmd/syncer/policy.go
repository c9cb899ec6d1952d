package main

import (
	"github.com/spf13/cobra"
)

func newPolicy(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy",
		GroupID: groupPolicies,
		Short:   "Write policies, check them, and ask what they do",
		Long: `Work with policies: the files that say what crosses to edges, and how it is
changed on the way.

init, validate, schema and test need nothing but the file; explain can look into
the source too. plan, apply, list, show and remove ask the running exporter, by
way of the hub of the cloud's configuration.`,
	}
	group(cmd)
	cmd.AddCommand(newPolicyInit(), newPolicyValidate(), newPolicySchema(), newPolicyExplain(s), newPolicyTest(),
		newPolicyPlan(s), newPolicyApply(s), newPolicyList(s), newPolicyShow(s), newPolicyRemove(s))
	return cmd
}
