package digest_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
)

func (m model) within(r change.Range) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(k string) bool { return !r.Contains([]byte(k)) })
}

func (m model) item(key string) digest.Sum { return digest.Item([]byte(key), []byte(m[key])) }

// repair does what both sides do about one difference: the source sends the
// items that are not among the prints and marks the prints that it does not
// hold, the target keeps what is not marked.
func (m model) repair(source model, d digest.Difference, slot int) (sent int) {
	known, put := digest.NewKnown(d.Prints, slot), model{}
	for _, key := range source.within(d.Range) {
		if !known.Has(source.item(key)) {
			put[key] = source[key]
		}
	}
	keep := digest.Kept(d.Prints, slot, known.Gone())
	for _, key := range m.within(d.Range) {
		if !keep(m.item(key)) {
			delete(m, key)
		}
	}
	maps.Copy(m, put)
	return len(put)
}

// Prints carry exactly what differs, whatever differs, and the target is equal
// afterwards.
func TestPrintsBringOverWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := drawModel(t)
		target := altered(t, source)
		wrong := 0
		for key, value := range source {
			if old, ok := target[key]; !ok || old != value {
				wrong++
			}
		}
		slot := rapid.IntRange(0, 20).Draw(t, "slot")
		sent := 0
		for _, d := range target.differ(t, source.page(t), digest.Options{Slot: slot}) {
			sent += target.repair(source, d, slot)
		}
		if !maps.Equal(source, target) {
			t.Fatalf("not equal: %d keys, want %d", len(target), len(source))
		}
		if sent != wrong {
			t.Fatalf("%d items were sent for %d that differ", sent, wrong)
		}
	})
}

func (m model) differ(t interface{ Fatal(...any) }, page []change.PageRange, o digest.Options) []digest.Difference {
	c := digest.Compare(page, o)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := c.Add([]byte(key), m.item(key)); err != nil {
			t.Fatal(err)
		}
	}
	diffs, _ := c.Finish()
	return digest.Coalesce(diffs, 1<<20)
}

// A scope is all that a comparison is about; Full has all of it differ, or what
// is behind From.
func TestComparisonKeepsToItsScope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := drawModel(t)
		target := altered(t, source)
		scope := change.PrefixRange([]byte("/k/" + rapid.StringMatching(`[0-9a-f]{0,2}`).Draw(t, "prefix")))
		full := rapid.Bool().Draw(t, "full")
		o := digest.Options{Scope: scope, Full: full, From: []byte("/k/" + rapid.StringMatching(`[0-9a-f]{0,2}`).Draw(t, "from"))}
		before := maps.Clone(target)
		for _, d := range target.differ(t, source.page(t), o) {
			if d.Range.Intersect(scope).String() != d.Range.String() {
				t.Fatalf("%v is beyond %v", d.Range, scope)
			}
			if sent := target.repair(source, d, 0); full && bytes.Compare(d.Range.Lo, o.From) >= 0 && sent != len(source.within(d.Range)) {
				t.Fatalf("%d items of %v were sent in full, want all", sent, d.Range)
			}
		}
		for key, want := range source {
			if scope.Contains([]byte(key)) && target[key] != want {
				t.Fatalf("%q is %q, want %q", key, target[key], want)
			}
		}
		for key, was := range before {
			if got, ok := target[key]; !scope.Contains([]byte(key)) && (!ok || got != was) {
				t.Fatalf("%q is out of scope and was changed", key)
			}
		}
	})
}

// One range of the source may hold any number of keys at the target: what it
// says of them is cut.
func TestPrintsAreBounded(t *testing.T) {
	target := model{}
	for i := range 3*digest.MaxPrints + 5 {
		target[fmt.Sprintf("/k/%06d", i)] = ""
	}
	source := model{"/k/000007": "", "/k/020000": "x"}
	held := 0
	for _, d := range target.differ(t, source.page(t), digest.Options{}) {
		if d.Prints.Len() > digest.MaxPrints {
			t.Errorf("%d prints", d.Prints.Len())
		}
		held += d.Prints.Len()
		target.repair(source, d, 0)
	}
	if held != 3*digest.MaxPrints+5 || !maps.Equal(source, target) {
		t.Errorf("%d prints, %d keys left", held, len(target))
	}
}

// What an edge says and hears to find 100 scattered differences among 100,000
// keys, after the page: one round trip within the bound that is documented.
func TestPrintsOfScatteredDifferencesAreSmall(t *testing.T) {
	source := model{}
	for i := range 100_000 {
		source[fmt.Sprintf("/flags/region-%02d/service-%06d", i%37, i)] = ""
	}
	page := source.page(t)
	body, err := change.Compress(change.EncodePage(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []int{1, 100} {
		target := maps.Clone(source)
		for i := range wrong {
			target[fmt.Sprintf("/flags/region-%02d/service-%06d", i*997%37, i*997)] = "other"
		}
		bytes := len(body)
		for _, d := range target.differ(t, page, digest.Options{}) {
			bytes += len(d.Prints)*4/3 + len(d.Range.Lo) + len(d.Range.Hi) + 40
		}
		t.Logf("%d differences: %d bytes, of which the page is %d", wrong, bytes, len(body))
		if bytes > 150<<10 {
			t.Errorf("%d differences cost %d bytes to find", wrong, bytes)
		}
	}
}
