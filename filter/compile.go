package filter

import (
	"bytes"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
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
	s := &Selection{name: p.Metadata.Name}
	ranges := p.ranges()
	var all []RuleRange
	for i := range p.Spec.Rules {
		all = append(all, ranges[i]...)
		s.rules = append(s.rules, p.info(i, ranges[i]))
	}
	s.bySource, s.byTarget = all, slices.Clone(all)
	sortBy(s.bySource, sourceOf)
	sortBy(s.byTarget, deliveredOf)
	s.sources = merge(s.bySource, sourceOf)
	s.delivered = merge(s.byTarget, deliveredOf)
	s.digest = ruledDigest(digest(s.bySource), s.rules)
	return s, nil
}

// ranges are the pieces of each rule: what lies below its prefix, and below no
// prefix of an earlier rule, less what must stay behind. The first rule whose
// prefix holds a key decides about it, whether it takes the key or excludes it.
func (p Policy) ranges() [][]RuleRange {
	out := make([][]RuleRange, len(p.Spec.Rules))
	var taken []change.Range
	for i, r := range p.Spec.Rules {
		out[i] = r.ranges(p.ruleName(i), i, taken)
		taken = append(taken, change.PrefixRange([]byte(r.Prefix)))
	}
	return out
}

// ranges are the pieces of the rule's prefix that remain once everything that
// earlier rules decide about or that must stay behind is cut out.
func (r Rule) ranges(name string, place int, taken []change.Range) []RuleRange {
	from, to := []byte(r.Prefix), []byte(r.target())
	left := []change.Range{change.PrefixRange(from)}
	for _, cut := range slices.Concat(taken, r.cuts()) {
		left = subtract(left, cut)
	}
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

func subtract(from []change.Range, cut change.Range) []change.Range {
	var out []change.Range
	for _, r := range from {
		out = append(out, r.Subtract(cut)...)
	}
	return out
}

func sortBy(ranges []RuleRange, side func(RuleRange) change.Range) {
	slices.SortFunc(ranges, func(a, b RuleRange) int {
		return bytes.Compare(side(a).Lo, side(b).Lo)
	})
}

// merge joins adjacent ranges of a sorted list.
func merge(ranges []RuleRange, side func(RuleRange) change.Range) []change.Range {
	var out []change.Range
	for _, rr := range ranges {
		r := side(rr)
		if n := len(out); n > 0 && len(out[n-1].Hi) != 0 && bytes.Equal(out[n-1].Hi, r.Lo) {
			out[n-1].Hi = r.Hi
			continue
		}
		out = append(out, r)
	}
	return out
}
