package main

import (
	"context"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// policies are those of the source, configured and applied ones. Of an applied
// one that cannot be read, only the name is there.
func (c *cloud) policies(ctx context.Context) ([]filter.Policy, error) {
	applied, err := jetstream.ReadPolicies(ctx, c.nc, c.cfg.Name)
	if err != nil {
		return nil, c.explain(err)
	}
	out := slices.Clone(c.cfg.Loaded)
	for _, item := range applied.Items {
		if !slices.Contains(policyNames(out), item.Name) {
			out = append(out, appliedPolicy(item, c.cfg.Cluster()))
		}
	}
	return out, nil
}

func appliedPolicy(item jetstream.AppliedPolicy, cluster filter.Cluster) filter.Policy {
	var r strictyaml.Report
	for _, p := range filter.Parse(&r, item.File, []byte(item.Text), cluster) {
		if p.Metadata.Name == item.Name && r.Err() == nil {
			return p
		}
	}
	return filter.Policy{Metadata: filter.Metadata{Name: item.Name}}
}

func policyNames(policies []filter.Policy) []string {
	names := make([]string, len(policies))
	for i, p := range policies {
		names[i] = p.Metadata.Name
	}
	return names
}

// canServe says why a policy cannot be filled in for an edge.
func canServe(policies []filter.Policy, name string, e filter.Edge, cluster filter.Cluster) error {
	i := slices.IndexFunc(policies, func(p filter.Policy) bool { return p.Metadata.Name == name })
	if i < 0 || !policies[i].PerEdge() {
		return nil
	}
	filled, err := policies[i].Fill(e)
	if err == nil {
		_, err = filter.Compile(filled, cluster)
	}
	if err != nil {
		return fault.New(fault.Usage, "give what it needs with --label name=value", "policy %s cannot be filled in for edge %s: %w", name, e.Name, err)
	}
	return nil
}
