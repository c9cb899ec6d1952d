package exporter

import (
	"cmp"
	"maps"
	"slices"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// inForce are the policies of the exporter, or one of them with its text.
func (t *term) inForce(name string) ([]jetstream.PolicyInForce, error) {
	t.mu.Lock()
	p, r := t.policies, t.roster
	t.mu.Unlock()
	out := p.list()
	if name != "" {
		out = slices.DeleteFunc(out, func(v jetstream.PolicyInForce) bool { return v.Name != name })
	}
	if name != "" && len(out) == 0 {
		return nil, fault.New(fault.Usage, "syncer policy list", "there is no policy %s", name)
	}
	for i := range out {
		r.count(&out[i])
		if name == "" {
			out[i].Text = ""
		}
	}
	return out, nil
}

// list are the policies by name, with the text of those that were applied.
func (p *policies) list() []jetstream.PolicyInForce {
	var out []jetstream.PolicyInForce
	for _, policy := range p.all[:p.own] {
		out = append(out, jetstream.PolicyInForce{Name: policy.Metadata.Name, Origin: policy.Origin(), PerEdge: policy.PerEdge()})
	}
	for _, item := range p.applied.Items {
		v := jetstream.PolicyInForce{Name: item.Name, Origin: item.File, Applied: item.Applied, Text: item.Text}
		if own := p.owns(item.Name); own != nil {
			v.Problem = "the configuration has a policy of this name, which counts: " + own.Origin()
		} else if policy, err := p.find(item.Name); err != nil {
			v.Problem = err.Error()
		} else {
			v.PerEdge = policy.PerEdge()
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b jetstream.PolicyInForce) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// count adds the channels and edges of a policy.
func (r roster) count(v *jetstream.PolicyInForce) {
	v.Channels = []string{}
	for _, channel := range slices.Sorted(maps.Keys(r.lines)) {
		if r.lines[channel].policy == v.Name {
			v.Channels = append(v.Channels, channel)
		}
	}
	for _, at := range r.places {
		if at.edge.Policy == v.Name {
			v.Edges++
		}
	}
}
