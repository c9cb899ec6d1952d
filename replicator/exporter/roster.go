package exporter

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// Edge is a paired edge as its exporter sees it.
type Edge struct {
	filter.Edge
	Policy string // by name
}

func (e Edge) equal(o Edge) bool {
	return e.Name == o.Name && e.Policy == o.Policy && maps.Equal(e.Labels, o.Labels)
}

// MaxChannels bounds the channels of one exporter: each is a watch of the
// source, an index and a place in every report.
const MaxChannels = 1000

// line is a channel that somebody wants: a policy as it is for all edges whose
// filled-in policies are equal.
type line struct {
	name      string
	policy    string // by name
	selection *filter.Selection
	edge      filter.Edge // whose policy it is, filled in; zero when the policy is not per edge
}

// place is where an edge belongs.
type place struct {
	edge    Edge
	channel string
	refusal error // instead of a channel
}

// roster says which channels there are to be and to which of them each edge
// belongs. It is filled once and then read.
type roster struct {
	of     *policies
	lines  map[string]line  // by channel
	places map[string]place // by edge
}

// members are the numbers of edges by channel.
func (r roster) members() map[string]int {
	n := make(map[string]int, len(r.lines))
	for _, at := range r.places {
		n[at.channel]++
	}
	return n
}

// enlist makes the roster of the edges. A policy that is the same for all edges
// has its channel also without one. In a policy that is filled in per edge, the
// first edge in the order of names stands for those that are equal. What an
// older roster of the same policies says is not worked out again.
func enlist(p *policies, edges []Edge, last roster, logger *slog.Logger) roster {
	r := roster{of: p, lines: map[string]line{}, places: map[string]place{}}
	for _, policy := range p.all {
		if policy.PerEdge() {
			continue
		}
		if _, err := r.join(p, policy, Edge{Policy: policy.Metadata.Name}); err != nil {
			logger.Error("a policy has no channel", "policy", policy.Metadata.Name, "cause", err.Error(), "try", fault.Try(err))
		}
	}
	edges = slices.Clone(edges)
	slices.SortFunc(edges, func(a, b Edge) int { return cmp.Compare(a.Name, b.Name) })
	for _, e := range edges {
		if at := last.places[e.Name]; last.of == p && at.edge.equal(e) && r.take(last.lines[at.channel]) {
			r.places[e.Name] = at
			continue
		}
		at := place{edge: e}
		at.channel, at.refusal = r.admit(p, e)
		if at.refusal != nil {
			logger.Warn("an edge has no channel", "edge", e.Name, "policy", e.Policy, "cause", at.refusal.Error(), "try", fault.Try(at.refusal))
		}
		r.places[e.Name] = at
	}
	return r
}

// take takes a channel over from an older roster; ok is false when there is
// nothing to take, or its name belongs to another one by now.
func (r roster) take(l line) (ok bool) {
	old, taken := r.lines[l.name]
	if l.selection == nil || taken && old.selection.Digest() != l.selection.Digest() {
		return false
	}
	r.lines[l.name] = l
	return true
}

// fits reports whether the roster is one of these edges.
func (r roster) fits(edges []Edge) bool {
	for _, e := range edges {
		if at, known := r.places[e.Name]; !known || !at.edge.equal(e) {
			return false
		}
	}
	return len(edges) == len(r.places)
}

// admit finds the channel of an edge, or why it has none.
func (r roster) admit(p *policies, e Edge) (string, error) {
	policy, err := p.find(e.Policy)
	if err != nil {
		return "", fmt.Errorf("edge %s: %w", e.Name, err)
	}
	return r.join(p, policy, e)
}

// join gives the channel of a policy for an edge.
func (r roster) join(p *policies, policy filter.Policy, e Edge) (string, error) {
	name := policy.Metadata.Name
	if l, ok := r.lines[name]; ok && !policy.PerEdge() && l.policy == name {
		return name, nil
	}
	l := line{policy: name}
	var err error
	if policy.PerEdge() {
		l.edge = e.Edge
		if policy, err = policy.Fill(e.Edge); err != nil {
			return "", fault.New(fault.Usage, "pair the edge with what the policy needs: syncer pair create "+e.Name+" --policy "+name+" --label NAME=VALUE --replace",
				"policy %s cannot be filled in for edge %s: %s", name, e.Name, briefly(err))
		}
	}
	if l.selection, err = filter.Compile(policy, p.cluster); err != nil {
		return "", fault.New(fault.Usage, "", "policy %s for edge %s: %s", name, e.Name, briefly(err))
	}
	if err = p.free(name, l.selection); err != nil {
		return "", err
	}
	if l.name, err = r.nameOf(l); err != nil {
		return "", err
	}
	if _, ok := r.lines[l.name]; !ok && len(r.lines) >= MaxChannels {
		return "", fault.New(fault.Refused, "let more edges share a policy, or run another exporter for some of them",
			"edge %s needs a channel of its own, and there are %d already", e.Name, len(r.lines))
	} else if !ok {
		r.lines[l.name] = l
	}
	return l.name, nil
}

// nameOf is the name of a channel. Selections that would share one, because
// the first digits of their digests are equal, get more digits.
func (r roster) nameOf(l line) (string, error) {
	digest := l.selection.Digest()
	names := []string{l.policy}
	if l.edge.Name != "" {
		names = []string{l.policy + "-" + digest[:8], l.policy + "-" + digest[:16], l.policy + "-" + digest}
	}
	for _, name := range names {
		if old, taken := r.lines[name]; !taken || old.policy == l.policy && old.selection.Digest() == digest {
			return name, nil
		}
	}
	return "", fault.New(fault.Usage, "rename the policy", "the channel of policy %s would have the name of another one", l.policy)
}

// briefly is an error without the lines of the file that it is about.
func briefly(err error) string {
	var problems *strictyaml.Errors
	if !errors.As(err, &problems) {
		return err.Error()
	}
	var texts []string
	for _, p := range problems.Problems {
		texts = append(texts, fmt.Sprintf("%s (%s:%d)", p.Message, p.File, p.Line))
	}
	return strings.Join(texts, "; ")
}

// refusals are edges without a channel, for the report.
func (r roster) refusals() []status.Refusal {
	var out []status.Refusal
	for _, name := range slices.Sorted(maps.Keys(r.places)) {
		if at := r.places[name]; at.refusal != nil && len(out) < status.MaxRefusals {
			out = append(out, status.Refusal{Edge: name, Policy: at.edge.Policy, Reason: at.refusal.Error(), Try: fault.Try(at.refusal)})
		}
	}
	return out
}

// refusalOf is what an edge is told that has no channel.
func refusalOf(err error) *jetstream.ReplyError {
	var retry *jetstream.ReplyError
	if errors.As(err, &retry) {
		return retry
	}
	return &jetstream.ReplyError{Message: err.Error(), Try: fault.Try(err)}
}
