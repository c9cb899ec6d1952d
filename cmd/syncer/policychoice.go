package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// policyChoice is one policy of a file.
type policyChoice struct {
	file, name string
	cluster    clusterFlag
}

func (o *policyChoice) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "policy `file`; - is standard input")
	cmd.Flags().StringVar(&o.name, "policy", "", "`name` of the policy, when the file holds several")
	o.cluster.addFlags(cmd)
}

// load reads the policy and checks it.
func (o *policyChoice) load(cmd *cobra.Command, c filter.Cluster) (filter.Policy, error) {
	if o.file == "" {
		return filter.Policy{}, fault.New(fault.Usage, cmd.CommandPath()+" -f FILE", "%s needs a policy file", cmd.CommandPath())
	}
	var r strictyaml.Report
	policies, err := parsePolicies(&r, cmd, o.file, c)
	if err != nil {
		return filter.Policy{}, err
	}
	filter.CheckDistinct(policies)
	if err := r.Err(); err != nil {
		return filter.Policy{}, err
	}
	return o.choose(policies)
}

func (o *policyChoice) choose(policies []filter.Policy) (filter.Policy, error) {
	known := make([]string, len(policies))
	for i, p := range policies {
		known[i] = p.Metadata.Name
		if o.name == p.Metadata.Name || o.name == "" && len(policies) == 1 {
			return p, nil
		}
	}
	if o.name == "" {
		return filter.Policy{}, fault.New(fault.Usage, "--policy "+known[0], "%s holds several policies: %s", o.file, strings.Join(known, ", "))
	}
	try := "use one of " + strings.Join(known, ", ")
	if near := nearest(o.name, known); near != "" {
		try = "--policy " + near
	}
	return filter.Policy{}, fault.New(fault.Usage, try, "%s holds no policy %q", o.file, o.name)
}

// edgeChoice is the edge that variables are filled in for.
type edgeChoice struct {
	// Name of the edge.
	Name string `yaml:"name"`
	// Labels of its pair.
	Labels map[string]string `yaml:"labels"`
}

// fill is the policy as an edge gets it. A policy that is the same for every
// edge needs none.
func (e edgeChoice) fill(p filter.Policy, c filter.Cluster) (*filter.Selection, error) {
	if e.Name == "" && p.PerEdge() {
		return nil, fault.New(fault.Usage, "name an edge, and give it the labels that the policy uses", "policy %q has parts that depend on the edge", p.Metadata.Name)
	}
	filled, err := p.Fill(filter.Edge{Name: e.Name, Labels: e.Labels})
	if err != nil {
		return nil, err
	}
	return filter.Compile(filled, c)
}
