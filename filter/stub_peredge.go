package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Edge is an edge for which a policy is filled in.
type Edge struct {
	Name   string
	Labels map[string]string
}

// PerEdge reports whether the policy depends on the edge.
func (p Policy) PerEdge() bool {
	for _, r := range p.Spec.Rules {
		if strings.Contains(r.Prefix+r.target()+strings.Join(r.Exclude, ""), "${edge.") {
			return true
		}
	}
	return false
}

// Fill is the policy for one edge.
func (p Policy) Fill(e Edge) (Policy, error) {
	var failed error
	fill := func(s string) string {
		s = strings.ReplaceAll(s, "${edge.name}", e.Name)
		for k, v := range e.Labels {
			s = strings.ReplaceAll(s, "${edge.labels."+k+"}", v)
		}
		if _, rest, found := strings.Cut(s, "${edge.labels."); found {
			name, _, _ := strings.Cut(rest, "}")
			failed = fmt.Errorf("edge %s has no label %q", e.Name, name)
		}
		return s
	}
	p.Spec.Rules = slices.Clone(p.Spec.Rules)
	for i := range p.Spec.Rules {
		r := &p.Spec.Rules[i]
		to := fill(r.target())
		r.To = &to
		r.Prefix = fill(r.Prefix)
		r.Exclude = slices.Clone(r.Exclude)
		for j := range r.Exclude {
			r.Exclude[j] = fill(r.Exclude[j])
		}
	}
	return p, failed
}
