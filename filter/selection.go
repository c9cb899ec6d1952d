package filter

import (
	"bytes"
	"slices"
	"sort"

	"github.com/syncer-io/syncer/replicator/change"
)

// Selection is a compiled policy: which source keys rules are about, what they
// decide about what those hold, and a mapping of source keys to delivered keys
// that keeps the order of keys within a range. No two source keys have one
// delivered key. It is immutable; all methods may run at once, and no returned
// slice may be written to.
type Selection struct {
	name      string
	cluster   Cluster
	bySource  []segment   // sorted, disjoint
	byTarget  []RuleRange // sorted by Delivered.Lo, disjoint; one of those that map a key alike
	sources   []change.Range
	delivered []change.Range
	rules     []RuleInfo // in the order of the policy
	objects   []*objects // by place of the rule; nil for one about keys
	digest    string
}

// Name is the name of the policy.
func (s *Selection) Name() string { return s.name }

// Map gives the first place of a source key; ok is false when no rule is about
// it.
func (s *Selection) Map(sourceKey []byte) (delivered []byte, ok bool) {
	seg := s.segment(sourceKey)
	if seg == nil {
		return nil, false
	}
	return seg.first().Map(sourceKey), true
}

// Unmap gives the source key of a delivered key; ok is false when nothing is
// ever delivered under that key.
func (s *Selection) Unmap(delivered []byte) (sourceKey []byte, ok bool) {
	i := find(s.byTarget, delivered, deliveredOf)
	if i < 0 {
		return nil, false
	}
	return s.byTarget[i].Unmap(delivered), true
}

// Contains reports whether a key can be delivered under this key.
func (s *Selection) Contains(delivered []byte) bool {
	return find(s.byTarget, delivered, deliveredOf) >= 0
}

// SourceRanges are the selected source keys: disjoint, not adjacent, sorted.
func (s *Selection) SourceRanges() []change.Range { return slices.Clone(s.sources) }

// TargetRanges are the keys that can be delivered: disjoint, not adjacent,
// sorted.
func (s *Selection) TargetRanges() []change.Range { return slices.Clone(s.delivered) }

// Covering is the smallest source range that holds every selected key.
func (s *Selection) Covering() change.Range {
	return change.Range{Lo: s.sources[0].Lo, Hi: s.sources[len(s.sources)-1].Hi}
}

// UnmapRange gives the source ranges whose keys are delivered into the range,
// clipped to the selection and sorted by delivered key. Reading them one after
// the other and mapping each key yields delivered keys in order.
func (s *Selection) UnmapRange(delivered change.Range) []RuleRange {
	var out []RuleRange
	for _, r := range s.byTarget {
		if clipped, ok := r.clip(delivered); ok {
			out = append(out, clipped)
		}
	}
	return out
}

// Digest names what the selection does. Of rules about keys, two selections
// have the same digest if and only if they select the same source keys and
// deliver them under the same keys, and the same keys have the same guards,
// however their policies are written; where rules with the default guard meet
// makes no difference. Rules about objects are in it as they are written, with
// their variables filled in, so that equal digests mean equal deliveries.
func (s *Selection) Digest() string { return s.digest }

// Overlap gives a range of keys that both selections can deliver, if there is
// one. Two such channels cannot flow to one edge.
func (s *Selection) Overlap(o *Selection) (change.Range, bool) {
	for _, a := range s.delivered {
		for _, b := range o.delivered {
			if i := a.Intersect(b); !i.Empty() {
				return i, true
			}
		}
	}
	return change.Range{}, false
}

func sourceOf(r RuleRange) change.Range    { return r.Source }
func deliveredOf(r RuleRange) change.Range { return r.Delivered }

// find is the index of the range that holds key, or -1. Ranges are sorted by
// the side that it looks at.
func find(ranges []RuleRange, key []byte, side func(RuleRange) change.Range) int {
	i := sort.Search(len(ranges), func(i int) bool {
		return bytes.Compare(side(ranges[i]).Lo, key) > 0
	}) - 1
	if i < 0 || !side(ranges[i]).Contains(key) {
		return -1
	}
	return i
}
