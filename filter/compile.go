package filter

import (
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Cluster is what a policy's resources have to know of the source cluster.
type Cluster struct {
	// Prefix is the --etcd-prefix of its API server, with a leading slash and
	// none at the end.
	Prefix string
}

// DefaultCluster is a cluster with the API server's defaults.
var DefaultCluster = Cluster{Prefix: "/registry"}

// Compile turns a policy into its selection. A policy that cannot be mapped
// one to one is refused with every problem it has, at its place in the file
// when the policy was loaded from one; the class is fault.Usage.
func Compile(p Policy, c Cluster) (*Selection, error) {
	if err := p.Validate(c); err != nil {
		return nil, err
	}
	p, err := p.Fill(Edge{})
	if err != nil {
		return nil, err
	}
	s := &Selection{name: p.Metadata.Name, cluster: c, objects: make([]*objects, len(p.Spec.Rules))}
	ranges := p.ranges(c)
	for i, r := range p.Spec.Rules {
		if !r.ofObjects() {
			continue
		}
		if s.objects[i], err = p.compileObjects(i); err != nil {
			return nil, fault.New(fault.Usage, "", "rule %q: %w", p.ruleName(i), err)
		}
	}
	all := slices.Concat(ranges...)
	byTarget := segments(delivering(all), deliveredOf, RuleRange.clip)
	s.byTarget = representatives(byTarget)
	s.bySource = slices.DeleteFunc(segments(all, sourceOf, RuleRange.clipSource), segment.vacated)
	s.sources, s.delivered = mergeKeys(s.bySource), mergeKeys(byTarget)
	s.rules = p.infos(byTarget)
	s.digest = p.digest(s)
	return s, nil
}

// ranges are the pieces of each rule: what it is about, less what a rule about
// keys that comes before it is about. Such a rule decides about every key below
// its prefix, whether it takes the key or excludes it; a rule about objects
// leaves those that it does not select to the next one.
func (p Policy) ranges(c Cluster) [][]RuleRange {
	out := make([][]RuleRange, len(p.Spec.Rules))
	var taken []change.Range
	for i, r := range p.Spec.Rules {
		if r.ofObjects() {
			out[i] = p.objectRanges(i, c, taken)
			continue
		}
		out[i] = r.ranges(p.ruleName(i), i, taken)
		taken = append(taken, change.PrefixRange([]byte(r.Prefix)))
	}
	return out
}

// ranges are the pieces of the rule's prefix that remain once everything that
// earlier rules decide about or that must stay behind is cut out.
func (r Rule) ranges(name string, place int, taken []change.Range) []RuleRange {
	from, to := []byte(r.Prefix), []byte(r.target())
	left := without([]change.Range{change.PrefixRange(from)}, slices.Concat(taken, r.cuts()))
	out := make([]RuleRange, 0, len(left))
	for _, piece := range left {
		out = append(out, RuleRange{
			Rule:         name,
			Place:        place,
			Source:       piece,
			Delivered:    swapRange(piece, from, to),
			SourcePrefix: from,
			TargetPrefix: to,
		})
	}
	return out
}

// cuts are the source ranges that the rule leaves out: its excludes, syncer's
// own prefix on either side, and the empty key, which etcd cannot hold.
func (r Rule) cuts() []change.Range {
	from, to := []byte(r.Prefix), []byte(r.target())
	own := change.PrefixRange([]byte(OwnPrefix))
	empty := change.Range{Hi: []byte{0}}
	cuts := []change.Range{own, empty}
	for _, reserved := range []change.Range{own, empty} {
		if part := reserved.Intersect(change.PrefixRange(to)); !part.Empty() {
			cuts = append(cuts, swapRange(part, to, from))
		}
	}
	for _, e := range r.Exclude {
		cuts = append(cuts, change.PrefixRange([]byte(e)))
	}
	return cuts
}
