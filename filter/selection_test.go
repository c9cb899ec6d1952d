package filter

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

func TestMapFollowsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		key := genKey(p).Draw(t, "key")
		want, wantOK := mapSlowly(p, key)
		got, ok := s.Map(key)
		if ok != wantOK || !bytes.Equal(got, want) {
			t.Fatalf("Map(%q) = %q, %t; want %q, %t", key, got, ok, want, wantOK)
		}
	})
}

func TestUnmapInvertsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		key := genKey(p).Draw(t, "key")
		if delivered, ok := s.Map(key); ok {
			back, ok := s.Unmap(delivered)
			if !ok || !bytes.Equal(back, key) {
				t.Fatalf("Unmap(Map(%q) = %q) = %q, %t", key, delivered, back, ok)
			}
		}
		if source, ok := s.Unmap(key); ok {
			again, ok := s.Map(source)
			if !ok || !bytes.Equal(again, key) {
				t.Fatalf("Map(Unmap(%q) = %q) = %q, %t", key, source, again, ok)
			}
		}
	})
}

func TestMapIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		a, b := genKey(p).Draw(t, "a"), genKey(p).Draw(t, "b")
		toA, okA := s.Map(a)
		toB, okB := s.Map(b)
		if okA && okB && bytes.Equal(toA, toB) != bytes.Equal(a, b) {
			t.Fatalf("%q and %q are delivered as %q and %q", a, b, toA, toB)
		}
	})
}

func TestRangesAgreeWithKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		key := genKey(p).Draw(t, "key")
		_, selected := s.Map(key)
		if in(s.SourceRanges(), key) != selected {
			t.Fatalf("source ranges %v and Map(%q) disagree", s.SourceRanges(), key)
		}
		if selected && !s.Covering().Contains(key) {
			t.Fatalf("%v does not cover %q", s.Covering(), key)
		}
		_, deliverable := s.Unmap(key)
		if s.Contains(key) != deliverable || in(s.TargetRanges(), key) != deliverable {
			t.Fatalf("Contains, target ranges %v and Unmap(%q) disagree", s.TargetRanges(), key)
		}
	})
}

func TestRangesAreSortedAndApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := compiled(t, genPolicy().Draw(t, "policy"))
		for _, ranges := range [][]change.Range{s.SourceRanges(), s.TargetRanges()} {
			for i, r := range ranges {
				if r.Empty() || len(r.Lo) == 0 {
					t.Fatalf("range %d of %v is empty or holds the empty key", i, ranges)
				}
				if i > 0 && (len(ranges[i-1].Hi) == 0 || bytes.Compare(ranges[i-1].Hi, r.Lo) >= 0) {
					t.Fatalf("ranges %d and %d of %v touch", i-1, i, ranges)
				}
			}
		}
	})
}

func TestUnmapRangeCoversExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		want := change.Range{Lo: genKey(p).Draw(t, "lo"), Hi: genKey(p).Draw(t, "hi")}
		key := genKey(p).Draw(t, "key")
		parts := s.UnmapRange(want)

		delivered, selected := s.Map(key)
		var owners []RuleRange
		for _, r := range parts {
			if r.Source.Contains(key) {
				owners = append(owners, r)
			}
		}
		if wanted := selected && want.Contains(delivered); wanted != (len(owners) == 1) {
			t.Fatalf("%q is delivered as %q (%t); %d parts of %v hold it", key, delivered, selected, len(owners), want)
		}
		for _, r := range owners {
			if !bytes.Equal(r.Map(key), delivered) || !bytes.Equal(r.Unmap(delivered), key) || !r.Delivered.Contains(delivered) {
				t.Fatalf("%+v maps %q to %q, not %q", r, key, r.Map(key), delivered)
			}
		}
	})
}

func TestUnmapRangeIsInDeliveredOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		keys := rapid.SliceOfN(genKey(p), 0, 40).Draw(t, "keys")
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
		var order [][]byte
		for _, r := range s.UnmapRange(change.Range{}) {
			for _, k := range keys {
				if r.Source.Contains(k) {
					order = append(order, r.Map(k))
				}
			}
		}
		if !slices.IsSortedFunc(order, bytes.Compare) {
			t.Fatalf("delivered out of order: %q", order)
		}
	})
}

func TestOwnPrefixNeverCrosses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		s := compiled(t, p)
		own := []byte(OwnPrefix + genBytes("rest", 0, 3).Draw(t, "rest"))
		if to, ok := s.Map(own); ok {
			t.Fatalf("%q crosses as %q", own, to)
		}
		if from, ok := s.Unmap(own); ok {
			t.Fatalf("%q is delivered as %q", from, own)
		}
	})
}

func in(ranges []change.Range, key []byte) bool {
	return slices.ContainsFunc(ranges, func(r change.Range) bool { return r.Contains(key) })
}
