package exporter

import (
	"maps"
	"slices"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// stops are the rules at which the guard of an edge would stop.
func (p *pan) stops() []command.PlannedStop {
	var out []command.PlannedStop
	for i, n := range p.deletes {
		guard, held := leftGuard, n // that is how an edge counts what it cleans up
		if i < len(p.rules) {
			guard, held = p.rules[i].Guard, p.counts[i].Held
		}
		if len(p.edges) > 0 && guard.Stops(n, held) {
			out = append(out, command.PlannedStop{
				Channel: p.channel, Rule: p.names[i], Deletes: n, Held: held, Edges: p.edges[:min(len(p.edges), command.PlanSamples)],
			})
		}
	}
	return out
}

// plan sums up one policy, whose text is new, changed or unchanged.
func (s *scale) plan(policy, state string) command.PlannedPolicy {
	out := command.PlannedPolicy{Name: policy, State: state, Edges: []string{}, Rules: []command.PlannedRule{}, Stops: []command.PlannedStop{}, Refusals: []command.PlannedRefusal{}}
	channels := map[string]bool{}
	for _, p := range s.pans {
		if p.policy != policy {
			continue
		}
		channels[p.channel] = true
		if p.changes() {
			out.Affected += len(p.edges)
			out.Edges = append(out.Edges, p.edges[:min(len(p.edges), command.MaxPlanned-len(out.Edges))]...)
		}
		stops := p.stops()
		out.Stopped += len(stops)
		out.Stops = append(out.Stops, stops[:min(len(stops), command.MaxPlanned-len(out.Stops))]...)
		for i := range p.counts {
			out.Rules = addRule(out.Rules, p.names[i], p.counts[i])
		}
	}
	out.Channels = len(channels)
	out.Rules = slices.DeleteFunc(out.Rules, func(r command.PlannedRule) bool { return r.Name == leftRule && r.Held == 0 })
	s.countEdges(&out)
	return out
}

// countEdges counts the edges of a policy, and those that it cannot serve.
func (s *scale) countEdges(out *command.PlannedPolicy) {
	for _, name := range slices.Sorted(maps.Keys(s.next.places)) {
		at := s.next.places[name]
		if at.edge.Policy != out.Name || s.only != "" && s.only != name {
			continue
		}
		out.Of++
		if at.refusal == nil {
			continue
		}
		out.Refused++
		if s.now.places[name].channel != "" {
			out.CutOff++
		}
		if len(out.Refusals) < command.MaxPlanned {
			out.Refusals = append(out.Refusals, command.PlannedRefusal{Edge: name, Reason: at.refusal.Error(), Try: fault.Try(at.refusal)})
		}
	}
}

// addRule adds the counts of a rule to those of the same name.
func addRule(rules []command.PlannedRule, name string, c command.PlannedRule) []command.PlannedRule {
	i := slices.IndexFunc(rules, func(r command.PlannedRule) bool { return r.Name == name })
	if i < 0 {
		c.Name = name
		return append(rules, c)
	}
	rules[i].Merge(c)
	return rules
}
