package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

type policyListView struct {
	Kind
	Items []jetstream.PolicyInForce `json:"items"`
}

type policyView struct {
	Kind
	jetstream.PolicyInForce
}

func newPolicyList(s *session) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the policies that the exporter follows",
		Example: `  syncer policy list -o json`,
		Args:    wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := listPolicies(cmd, s, "")
			if err != nil {
				return err
			}
			v := policyListView{Kind: kind("PolicyList"), Items: append([]jetstream.PolicyInForce{}, found...)}
			var names []string
			for _, p := range found {
				names = append(names, p.Name)
			}
			return out.print(cmd.OutOrStdout(), v, func(p *page) { drawPolicies(p, found) }, names...)
		},
	}
	out.addFlags(cmd)
	return cmd
}

func newPolicyShow(s *session) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a policy that the exporter follows, with its text if it was applied",
		Example: `  syncer policy show store`,
		Args:    wants(0, "the name of the policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := listPolicies(cmd, s, args[0])
			if err != nil {
				return err
			}
			v := policyView{Kind: kind("PolicyInForce"), PolicyInForce: found[0]}
			return out.print(cmd.OutOrStdout(), v, func(p *page) { drawPolicy(p, found[0]) }, v.Name)
		},
	}
	out.addFlags(cmd)
	return cmd
}

func newPolicyRemove(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Have an applied policy in force no more",
		Long: `Have an applied policy in force no more. No edge may be paired with it: what an
edge holds is never deleted by this command.`,
		Example: `  syncer policy remove store`,
		Args:    wants(0, "the name of the policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.openCloud(cmd)
			if err != nil {
				return err
			}
			defer c.nc.Close()
			if _, err := c.askPolicy(cmd, s, jetstream.PolicyRequest{Verb: jetstream.RemovePolicy, Name: args[0]}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed policy %s\n", args[0])
			return nil
		},
	}
}

func listPolicies(cmd *cobra.Command, s *session, name string) ([]jetstream.PolicyInForce, error) {
	c, err := s.openCloud(cmd)
	if err != nil {
		return nil, err
	}
	defer c.nc.Close()
	reply, err := c.askPolicy(cmd, s, jetstream.PolicyRequest{Verb: jetstream.ListPolicies, Name: name})
	return reply.Policies, err
}

func drawPolicies(p *page, found []jetstream.PolicyInForce) {
	if len(found) == 0 {
		p.line("There are no policies. Next: syncer policy apply -f FILE")
		return
	}
	rows := [][]cell{plain("POLICY", "EDGES", "CHANNELS", "APPLIED", "FROM")}
	for _, v := range found {
		rows = append(rows, plain(v.Name, fmt.Sprint(v.Edges), fmt.Sprint(len(v.Channels)), applied(v), v.Origin))
	}
	p.table(rows)
	for _, v := range found {
		if v.Problem != "" {
			p.line("%s: %s", v.Name, v.Problem)
		}
	}
}

// applied is when a policy was applied, in words.
func applied(v jetstream.PolicyInForce) string {
	if v.Applied.IsZero() {
		return "configured"
	}
	return v.Applied.UTC().Format(time.RFC3339)
}

func drawPolicy(p *page, v jetstream.PolicyInForce) {
	p.line("Policy    %s", v.Name)
	p.line("From      %s", v.Origin)
	p.line("Applied   %s", applied(v))
	p.line("Edges     %d", v.Edges)
	for _, channel := range v.Channels {
		p.line("Channel   %s", channel)
	}
	if v.Problem != "" {
		p.line("Problem   %s", v.Problem)
	}
	if v.Text != "" {
		p.line("")
		p.line("%s", v.Text)
	}
}
