package filter

import (
	"bytes"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
)

// segment is a range of keys about all of which the same rules are.
type segment struct {
	keys change.Range
	// ranges are the rules' ranges, clipped to keys on the side that the
	// segment is of, in the order of the rules.
	ranges []RuleRange
}

// first is the first range of which something can be delivered: its rule holds
// the key at the edges.
func (s segment) first() RuleRange {
	return s.ranges[slices.IndexFunc(s.ranges, func(r RuleRange) bool { return !r.vacated })]
}

// vacated reports whether nothing of the segment can be delivered.
func (s segment) vacated() bool {
	return !slices.ContainsFunc(s.ranges, func(r RuleRange) bool { return !r.vacated })
}

// segments cuts ranges, which are in the order of the rules, into disjoint
// segments, sorted by key. clip gives the part of a range that lies in a range
// of keys.
func segments(ranges []RuleRange, side func(RuleRange) change.Range, clip func(RuleRange, change.Range) (RuleRange, bool)) []segment {
	var out []segment
	a := active{ranges: ranges, side: side, waiting: byStart(ranges, side)}
	for _, keys := range intervals(ranges, side) {
		s := segment{keys: keys}
		for _, i := range a.at(keys.Lo) {
			if part, ok := clip(ranges[i], keys); ok {
				s.ranges = append(s.ranges, part)
			}
		}
		if len(s.ranges) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// active are the ranges that hold a key, while the key goes up.
type active struct {
	ranges  []RuleRange
	side    func(RuleRange) change.Range
	waiting []int // places of those that start later, by their start
	now     []int // places of those that hold the key, in the order of the rules
}

func byStart(ranges []RuleRange, side func(RuleRange) change.Range) []int {
	places := make([]int, len(ranges))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int { return bytes.Compare(side(ranges[a]).Lo, side(ranges[b]).Lo) })
	return places
}

// at goes on to a key and gives the places of the ranges that hold it.
func (a *active) at(key []byte) []int {
	a.now = slices.DeleteFunc(a.now, func(i int) bool { return !a.side(a.ranges[i]).Contains(key) })
	for len(a.waiting) > 0 && bytes.Compare(a.side(a.ranges[a.waiting[0]]).Lo, key) <= 0 {
		if i := a.waiting[0]; a.side(a.ranges[i]).Contains(key) {
			at, _ := slices.BinarySearch(a.now, i)
			a.now = slices.Insert(a.now, at, i)
		}
		a.waiting = a.waiting[1:]
	}
	return a.now
}

// intervals are the ranges between all the ends of the ranges.
func intervals(ranges []RuleRange, side func(RuleRange) change.Range) []change.Range {
	var ends [][]byte
	open := false // some range has no upper end
	for _, r := range ranges {
		s := side(r)
		ends = append(ends, s.Lo)
		if len(s.Hi) == 0 {
			open = true
		} else {
			ends = append(ends, s.Hi)
		}
	}
	slices.SortFunc(ends, bytes.Compare)
	ends = slices.CompactFunc(ends, bytes.Equal)
	var out []change.Range
	for i := range ends {
		switch {
		case i+1 < len(ends):
			out = append(out, change.Range{Lo: ends[i], Hi: ends[i+1]})
		case open:
			out = append(out, change.Range{Lo: ends[i]})
		}
	}
	return out
}

// clipSource is the part of r whose source keys lie in the range.
func (r RuleRange) clipSource(source change.Range) (RuleRange, bool) {
	part := r.Source.Intersect(source)
	if part.Empty() {
		return RuleRange{}, false
	}
	return r.onto(part), true
}

// mergeKeys joins the keys of adjacent segments.
func mergeKeys(segments []segment) []change.Range {
	var out []change.Range
	for _, s := range segments {
		if n := len(out); n > 0 && len(out[n-1].Hi) != 0 && bytes.Equal(out[n-1].Hi, s.keys.Lo) {
			out[n-1].Hi = s.keys.Hi
			continue
		}
		out = append(out, s.keys)
	}
	return out
}

// representatives are one range for each segment: where rules overlap, all of
// them map keys in the same way.
func representatives(segments []segment) []RuleRange {
	out := make([]RuleRange, len(segments))
	for i, s := range segments {
		out[i] = s.ranges[0]
	}
	return out
}
