package filter

import (
	"bytes"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
)

// union are the keys of the ranges, sorted, disjoint and not adjacent.
func union(ranges []change.Range) []change.Range {
	sorted := slices.DeleteFunc(slices.Clone(ranges), change.Range.Empty)
	slices.SortFunc(sorted, func(a, b change.Range) int { return bytes.Compare(a.Lo, b.Lo) })
	var out []change.Range
	for _, r := range sorted {
		n := len(out)
		switch {
		case n > 0 && len(out[n-1].Hi) == 0:
			return out
		case n > 0 && bytes.Compare(r.Lo, out[n-1].Hi) <= 0:
			if len(r.Hi) == 0 || bytes.Compare(r.Hi, out[n-1].Hi) > 0 {
				out[n-1].Hi = r.Hi
			}
		default:
			out = append(out, r)
		}
	}
	return out
}

// without are the keys of from that are in none of the cuts, sorted, disjoint
// and not adjacent.
func without(from, cuts []change.Range) []change.Range {
	cuts = union(cuts)
	var out []change.Range
	for _, r := range union(from) {
		for len(cuts) > 0 && len(cuts[0].Hi) != 0 && bytes.Compare(cuts[0].Hi, r.Lo) <= 0 {
			cuts = cuts[1:] // it ends before all that is left
		}
		out = append(out, less(r, cuts)...)
	}
	return out
}

// less is what is left of one range without cuts that are sorted and disjoint.
func less(r change.Range, cuts []change.Range) []change.Range {
	var out []change.Range
	for _, cut := range cuts {
		if len(r.Hi) != 0 && bytes.Compare(cut.Lo, r.Hi) >= 0 {
			break
		}
		if left := (change.Range{Lo: r.Lo, Hi: cut.Lo}); len(cut.Lo) != 0 && !left.Empty() {
			out = append(out, left)
		}
		if len(cut.Hi) == 0 {
			return out
		}
		if bytes.Compare(cut.Hi, r.Lo) > 0 {
			r.Lo = cut.Hi
		}
	}
	if r.Empty() {
		return out
	}
	return append(out, r)
}
