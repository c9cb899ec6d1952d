package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

type policyValidateOptions struct {
	cluster clusterFlag
	out     output
}

func newPolicyValidate() *cobra.Command {
	var o policyValidateOptions
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check policies and name every mistake with its place",
		Long: `Check policies and name every mistake with its line and column. A file may hold
several policies, and no two may have the same name.

Exit code: 0 when all are sound, 2 when one is not.`,
		Example: `  syncer policy validate flags.yaml
  syncer policy validate policies/*.yaml -o json`,
		Args: atLeastOne("a policy file"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.cluster.addFlags(cmd)
	o.out.addFlags(cmd)
	return cmd
}

// validationView is the result for programs.
type validationView struct {
	Kind
	Valid    bool              `json:"valid"`
	Policies []validPolicyView `json:"policies"`
	Problems []problemView     `json:"problems"`
}

type validPolicyView struct {
	File  string `json:"file"`
	Name  string `json:"name"`
	Rules int    `json:"rules"`
	// PerEdge: it differs from edge to edge.
	PerEdge bool `json:"perEdge"`
}

type problemView struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // from 1
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (o *policyValidateOptions) run(cmd *cobra.Command, files []string) error {
	cluster, err := o.cluster.cluster()
	if err != nil {
		return err
	}
	var r strictyaml.Report
	v := validationView{Kind: kind("PolicyValidation"), Policies: []validPolicyView{}, Problems: []problemView{}}
	var all []filter.Policy
	for _, file := range files {
		policies, err := parsePolicies(&r, cmd, file, cluster)
		if err != nil {
			return err
		}
		for _, p := range policies {
			v.Policies = append(v.Policies, validPolicyView{File: inputName(file), Name: p.Metadata.Name, Rules: len(p.Spec.Rules), PerEdge: p.PerEdge()})
		}
		all = append(all, policies...)
	}
	filter.CheckDistinct(all)
	return o.tell(cmd, v, r.Err())
}

// tell prints what is sound, and gives what is not as an error.
func (o *policyValidateOptions) tell(cmd *cobra.Command, v validationView, bad error) error {
	v.Valid = bad == nil
	var errs *strictyaml.Errors
	if errors.As(bad, &errs) {
		for _, p := range errs.Problems {
			v.Problems = append(v.Problems, problemView{File: p.File, Line: p.Line, Column: p.Column, Message: p.Message, Hint: p.Hint})
		}
	}
	if bad != nil && o.out.forPeople() {
		return bad
	}
	if err := o.out.print(cmd.OutOrStdout(), v, v.draw, v.names()...); err != nil {
		return err
	}
	if bad != nil {
		return fault.New(fault.Usage, "correct the policies", "%s", status.Count(uint64(len(v.Problems)), "mistake", "mistakes"))
	}
	if first := v.Policies[0].File; o.out.forPeople() && first != inputName("-") {
		fmt.Fprintf(cmd.ErrOrStderr(), "Next: syncer policy explain -f %s KEY\n", first)
	}
	return nil
}

func (v validationView) names() []string {
	var out []string
	for _, p := range v.Policies {
		out = append(out, p.Name)
	}
	return out
}

func (v validationView) draw(p *page) {
	for _, policy := range v.Policies {
		line := fmt.Sprintf("%s: policy %s is sound: %s", policy.File, policy.Name, status.Count(uint64(policy.Rules), "rule", "rules"))
		if policy.PerEdge {
			line += ", filled in for each edge"
		}
		p.line("%s", line)
	}
}

// atLeastOne gives a check for commands that take any number of arguments but
// none.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fault.New(fault.Usage, "syncer "+strings.TrimPrefix(cmd.UseLine(), "syncer "), "%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}
