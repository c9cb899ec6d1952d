package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

type policyPlanOptions struct {
	files policyFiles
	edge  string
	out   output
}

// policyPlanView is what `syncer policy plan` and `apply` print for programs.
type policyPlanView struct {
	Kind
	Applied bool `json:"applied"`
	Stopped bool `json:"stopped"` // the guard would stop it, or edges would be cut off
	command.PolicyPlan
}

func newPolicyPlan(s *session) *cobra.Command {
	var o policyPlanOptions
	cmd := &cobra.Command{
		Use:   "plan -f FILE [--edge EDGE]",
		Short: "Say what policies would change at the edges, and change nothing",
		Long: `Say what policies would change, were they applied now: which keys come to the
edges, which leave them, which get another value or key, and whether the
mass-delete guard would stop it. The exporter reads the source once, at one
revision, and compares it with what edges hold by the policies in force. Nothing
is changed.`,
		Example: `  syncer policy plan -f store.yaml
  syncer policy plan -f store.yaml --edge store-1 -o json`,
		Args: wants(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, s) },
	}
	o.files.addFlags(cmd)
	cmd.Flags().StringVar(&o.edge, "edge", "", "only for this `edge`")
	o.out.addFlags(cmd)
	return cmd
}

func (o policyPlanOptions) run(cmd *cobra.Command, s *session) error {
	c, err := s.openCloud(cmd)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	documents, err := o.files.read(cmd, c.cfg.Cluster())
	if err != nil {
		return err
	}
	reply, err := c.askPolicy(cmd, s, jetstream.PolicyRequest{Verb: jetstream.PlanPolicies, Documents: documents, Edge: o.edge})
	if err != nil {
		return err
	}
	if err := o.out.printPlan(cmd, reply.Plan, false); err != nil {
		return err
	}
	if o.out.forPeople() {
		fmt.Fprintln(cmd.ErrOrStderr(), o.next(reply.Plan))
	}
	return nil
}

// next is the command that follows a plan.
func (o policyPlanOptions) next(p *command.PolicyPlan) string {
	apply := "syncer policy apply"
	for _, file := range o.files.files {
		apply += " -f " + shellWord(file)
	}
	switch {
	case !p.Changes():
		return "Nothing would change."
	case p.Stopped()+p.CutOff() > 0:
		return "Nothing was changed. Next, if that is meant: " + apply + " --approve"
	default:
		return "Nothing was changed. Next: " + apply
	}
}

// printPlan prints a plan that was applied or not.
func (o *output) printPlan(cmd *cobra.Command, p *command.PolicyPlan, applied bool) error {
	v := policyPlanView{Kind: kind("PolicyPlan"), Applied: applied, Stopped: p.Stopped()+p.CutOff() > 0, PolicyPlan: *p}
	var names []string
	for _, policy := range p.Policies {
		names = append(names, policy.Name)
	}
	return o.print(cmd.OutOrStdout(), v, func(page *page) {
		for i, policy := range p.Policies {
			if i > 0 {
				page.line("")
			}
			drawPolicyPlan(page, policy, p.Revision)
		}
	}, names...)
}

func drawPolicyPlan(p *page, policy command.PlannedPolicy, revision int64) {
	at := ""
	if revision > 0 {
		at = fmt.Sprintf(", weighed at revision %d of the source", revision)
	}
	p.line("policy %s: %s%s", policy.Name, policy.State, at)
	p.line("  edges: %d of %d get a difference%s", policy.Affected, policy.Of, bracketed(policy.Edges, policy.Affected))
	rows := [][]cell{plain("  RULE", "HELD", "ENTER", "CHANGE", "MOVE", "LEAVE", "ORPHAN", "REFUSED", "TO SHIP")}
	for _, r := range policy.Rules {
		rows = append(rows, plain("  "+r.Name, fmt.Sprint(r.Held), fmt.Sprint(r.Enter.Count), fmt.Sprint(r.Change.Count), fmt.Sprint(r.Move.Count),
			fmt.Sprint(r.Leave.Count), fmt.Sprint(r.Orphan.Count), fmt.Sprint(r.Refuse.Count), size(int64(r.Bytes))))
	}
	if len(policy.Rules) > 0 {
		p.table(rows)
	}
	for _, r := range policy.Rules {
		drawPlanned(p, r)
	}
	for _, stop := range policy.Stops {
		p.line("  the guard would stop rule %s: %d deletes of %d keys at %s", stop.Rule, stop.Deletes, stop.Held, strings.Join(stop.Edges, ", "))
	}
	if more := policy.Stopped - len(policy.Stops); more > 0 {
		p.line("  and it would stop %d more", more)
	}
	for _, r := range policy.Refusals {
		p.line("  %s would have no channel: %s", r.Edge, r.Reason)
	}
	if more := policy.Refused - len(policy.Refusals); more > 0 {
		p.line("  and %d more edges would have none", more)
	}
}

func drawPlanned(p *page, r command.PlannedRule) {
	for _, s := range []struct {
		what string
		of   command.Planned
	}{
		{"enters", r.Enter},
		{"changes", r.Change},
		{"moves to", r.Move},
		{"is deleted", r.Leave},
		{"is left to the edge", r.Orphan},
		{"cannot be delivered", r.Refuse},
	} {
		for _, key := range s.of.Samples {
			p.line("    %s: %s", s.what, key)
		}
		if more := s.of.Count - uint64(len(s.of.Samples)); more > 0 && len(s.of.Samples) > 0 {
			p.line("    %s: %d more", s.what, more)
		}
	}
	for _, reason := range r.Reasons {
		p.line("    why: %s", reason)
	}
}

// bracketed are the first of some names, in brackets.
func bracketed(names []string, of int) string {
	const most = 5
	switch {
	case len(names) == 0:
		return ""
	case of > most:
		return fmt.Sprintf(" (%s and %d more)", strings.Join(names[:min(most, len(names))], ", "), of-min(most, len(names)))
	default:
		return " (" + strings.Join(names, ", ") + ")"
	}
}
