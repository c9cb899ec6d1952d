package digest_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

// page is the page of m as a reader gets it: encoded and decoded.
func (m model) page(t interface{ Fatal(...any) }) []change.PageRange {
	size := uint64(0)
	for key, value := range m {
		size += uint64(len(key) + len(value))
	}
	b := digest.NewPageBuilder(uint64(len(m)), size)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		b.Add([]byte(key), digest.Item([]byte(key), []byte(m[key])), uint64(len(key)+len(m[key])))
	}
	ranges, err := change.DecodePage(change.EncodePage(b.Ranges()))
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

func (m model) compare(t interface{ Fatal(...any) }, page []change.PageRange) []digest.Difference {
	c := digest.Compare(page, digest.Options{})
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := c.Add([]byte(key), digest.Item([]byte(key), []byte(m[key]))); err != nil {
			t.Fatal(err)
		}
	}
	diffs, total := c.Finish()
	if total != m.digest() {
		t.Fatal("the comparison counted another set")
	}
	return diffs
}

// differing is every key that a and b do not hold alike.
func differing(a, b model) []string {
	var keys []string
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	return keys
}

func covers(diffs []digest.Difference, key string) bool {
	return slices.ContainsFunc(diffs, func(d digest.Difference) bool { return d.Range.Contains([]byte(key)) })
}

// drawModel draws up to 250 keys; values of some models are so large that
// ranges end by bytes. The seed keeps what rapid has to shrink small.
func drawModel(t *rapid.T) model {
	random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
	size := rapid.SampledFrom([]int{0, 10, 12_000}).Draw(t, "value size")
	m := model{}
	for range rapid.IntRange(0, 250).Draw(t, "keys") {
		m[fmt.Sprintf("/k/%04x", random.IntN(1<<16))] = strings.Repeat("v", random.IntN(size+1))
	}
	return m
}

// altered is m after some puts, deletes and value changes.
func altered(t *rapid.T, m model) model {
	random := rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed")))
	out, keys := maps.Clone(m), slices.Sorted(maps.Keys(m))
	for range rapid.IntRange(0, 8).Draw(t, "alterations") {
		switch at := random.IntN(len(keys) + 1); {
		case at == len(keys) || random.IntN(3) == 0:
			out[fmt.Sprintf("/k/%04x%s", random.IntN(1<<16), strings.Repeat("\xff", random.IntN(2)))] = "new"
		case random.IntN(2) == 0:
			delete(out, keys[at])
		default:
			out[keys[at]] += "'"
		}
	}
	return out
}

// Every key that differs lies in a difference, every difference holds one, and
// equal sets have none.
func TestCompareFindsEveryDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := drawModel(t)
		target := altered(t, source)
		want := differing(source, target)
		diffs := target.compare(t, source.page(t))
		for _, key := range want {
			if !covers(diffs, key) {
				t.Fatalf("key %q differs and is not in %v", key, diffs)
			}
		}
		for _, d := range diffs {
			if !slices.ContainsFunc(want, func(key string) bool { return d.Range.Contains([]byte(key)) }) {
				t.Fatalf("nothing differs in %v", d.Range)
			}
		}
	})
}

func TestCompareEqualSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		if diffs := m.compare(t, m.page(t)); len(diffs) != 0 {
			t.Fatalf("equal sets differ in %v", diffs)
		}
	})
}

func TestCompareEmptySets(t *testing.T) {
	one := model{"k": "v"}
	if diffs := (model{}).compare(t, model{}.page(t)); len(diffs) != 0 {
		t.Errorf("nothing differs from nothing in %v", diffs)
	}
	for name, diffs := range map[string][]digest.Difference{
		"empty target": (model{}).compare(t, one.page(t)),
		"empty source": one.compare(t, model{}.page(t)),
	} {
		if len(diffs) != 1 || !covers(diffs, "") || !covers(diffs, "\xff\xff") {
			t.Errorf("%s: differences %v, want all keys", name, diffs)
		}
	}
}

// Keys out of order would be counted into the wrong range.
func TestCompareRefusesDisorder(t *testing.T) {
	for _, keys := range [][]string{{"b", "a"}, {"a", "a"}} {
		c := digest.Compare(model{}.page(t), digest.Options{})
		if err := c.Add([]byte(keys[0]), digest.Sum{}); err != nil {
			t.Fatal(err)
		}
		if err := c.Add([]byte(keys[1]), digest.Sum{}); err == nil {
			t.Errorf("took %q", keys)
		}
	}
}

// What a difference costs is bounded: a range holds at most RangeKeys keys and
// RangeBytes bytes, or one key that is larger.
func TestRangesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		count := uint64(0)
		for _, r := range m.page(t) {
			if r.Count > digest.RangeKeys || (r.Bytes > digest.RangeBytes && r.Count > 1) {
				t.Fatalf("range to %q holds %d keys, %d bytes", r.Hi, r.Count, r.Bytes)
			}
			count += r.Count
		}
		if count != uint64(len(m)) {
			t.Fatalf("ranges hold %d keys of %d", count, len(m))
		}
	})
}

// pageOf is the page of count items of the sizes that size gives. The end of
// each key is random: pages of real channels compress better.
func pageOf(count int, size func(i int) uint64) []change.PageRange {
	total := uint64(0)
	for i := range count {
		total += size(i)
	}
	random := rand.New(rand.NewPCG(1, 2))
	b := digest.NewPageBuilder(uint64(count), total)
	for i := range count {
		var item digest.Sum
		binary.BigEndian.PutUint64(item[:], random.Uint64())
		key := binary.BigEndian.AppendUint32([]byte("/flags/service-"), uint32(i))
		b.Add(binary.BigEndian.AppendUint64(key, random.Uint64()), item, size(i))
	}
	return b.Ranges()
}

// The page of a large channel aims at MaxRanges, however its bytes lie.
func TestRangesOfLargeChannels(t *testing.T) {
	for name, size := range map[string]func(int) uint64{
		"small":       func(int) uint64 { return 100 },
		"large":       func(int) uint64 { return 1 << 20 },
		"alternating": func(i int) uint64 { return uint64(1 + i%2*(1<<20)) },
		"large first": func(i int) uint64 { return uint64(1 + (300_000-i)/200_000*(1<<20)) },
	} {
		if n := len(pageOf(300_000, size)); n > 3*digest.MaxRanges {
			t.Errorf("%s: %d ranges", name, n)
		}
	}
}

// The page of 100,000 keys of 1 KiB is what an edge asks for after each
// doubt: it crosses a thin link in one message.
func TestPageOf100000KeysIsSmall(t *testing.T) {
	raw := change.EncodePage(page100000())
	if _, err := change.DecodePage(raw); err != nil {
		t.Fatal(err)
	}
	body, err := change.Compress(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > 150<<10 {
		t.Errorf("page of %d bytes, want at most 150 KiB", len(body))
	}
	t.Logf("page of %d bytes", len(body))
}

func page100000() []change.PageRange { return pageOf(100_000, func(int) uint64 { return 1024 }) }

// Coalesce loses nothing, joins neighbours only, as many as the limit allows.
func TestCoalesce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		diffs := drawDifferences(t)
		rest := slices.Clone(diffs)
		limit := rapid.OneOf(rapid.Uint64Range(0, 400), rapid.Just[uint64](math.MaxUint64)).Draw(t, "limit")
		for _, d := range digest.Coalesce(diffs, limit) {
			n := 0
			for n < len(rest) && string(rest[n].Range.Lo) < string(d.Range.Hi) {
				n++
			}
			checkJoined(t, d, rest[:n], limit)
			rest = rest[n:]
			if len(rest) > 0 && string(rest[0].Range.Lo) == string(d.Range.Hi) && d.Bytes <= limit && rest[0].Bytes <= limit-d.Bytes {
				t.Fatalf("%v and %v were not joined", d, rest[0])
			}
		}
		if len(rest) != 0 {
			t.Fatalf("%v were lost", rest)
		}
	})
}

// checkJoined proves that d is exactly the differences within, without a gap.
func checkJoined(t *rapid.T, d digest.Difference, within []digest.Difference, limit uint64) {
	if len(within) == 0 {
		t.Fatalf("%v comes from nowhere", d)
	}
	want := within[0]
	for _, next := range within[1:] {
		if string(want.Range.Hi) != string(next.Range.Lo) {
			t.Fatalf("%v was joined over a gap: %v", d, within)
		}
		want.Range.Hi = next.Range.Hi
		want.Count += next.Count
		if want.Bytes > limit || next.Bytes > limit-want.Bytes {
			t.Fatalf("%v is beyond %d bytes: %v", d, limit, within)
		}
		want.Bytes += next.Bytes
	}
	if fmt.Sprint(d) != fmt.Sprint(want) {
		t.Fatalf("%v was joined as %v", within, d)
	}
}

// drawDifferences draws ranges in key order, some with a gap between them and
// byte counts that a hostile page may hold.
func drawDifferences(t *rapid.T) []digest.Difference {
	var diffs []digest.Difference
	at := byte('a')
	size := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Just[uint64](math.MaxUint64))
	for range rapid.IntRange(0, 10).Draw(t, "differences") {
		at += rapid.ByteRange(0, 1).Draw(t, "gap")
		diffs = append(diffs, digest.Difference{
			Range: change.Range{Lo: []byte{at}, Hi: []byte{at + 1}},
			Bytes: size.Draw(t, "bytes"),
			Count: rapid.Uint64Range(0, 64).Draw(t, "count"),
		})
		at++
	}
	return diffs
}
