package filter

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

func genRange() *rapid.Generator[change.Range] {
	return rapid.Custom(func(t *rapid.T) change.Range {
		return change.Range{Lo: []byte(genBytes("lo", 0, 2).Draw(t, "lo")), Hi: []byte(genBytes("hi", 0, 2).Draw(t, "hi"))}
	})
}

func TestSetsOfRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SliceOfN(genRange(), 0, 6).Draw(t, "from")
		cuts := rapid.SliceOfN(genRange(), 0, 6).Draw(t, "cuts")
		key := []byte(genBytes("key", 0, 3).Draw(t, "key"))
		if got := union(from); in(got, key) != in(from, key) {
			t.Fatalf("%q: union of %v is %v", key, from, got)
		}
		if got := without(from, cuts); in(got, key) != (in(from, key) && !in(cuts, key)) {
			t.Fatalf("%q: %v without %v is %v", key, from, cuts, got)
		}
	})
}

// Every segment holds exactly the ranges that hold its keys, in their order.
func TestSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ranges []RuleRange
		for i, r := range rapid.SliceOfN(genRange().Filter(func(r change.Range) bool { return !r.Empty() }), 0, 8).Draw(t, "ranges") {
			ranges = append(ranges, RuleRange{Place: i, Source: r, Delivered: r})
		}
		key := []byte(genBytes("key", 0, 3).Draw(t, "key"))
		var want, got []int
		for _, r := range ranges {
			if r.Source.Contains(key) {
				want = append(want, r.Place)
			}
		}
		for _, s := range segments(ranges, sourceOf, RuleRange.clipSource) {
			if s.keys.Contains(key) {
				for _, r := range s.ranges {
					got = append(got, r.Place)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("ranges %v hold %q, and the segments say %v", want, key, got)
		}
	})
}
