package conflict

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawObject draws an object that is small enough for three of them to meet:
// free fields, mappings, lists, containers and annotations.
func drawObject(t *rapid.T, label string) map[string]any {
	small := rapid.IntRange(0, 2)
	o := map[string]any{}
	if rapid.Bool().Draw(t, label+" has a kind") {
		o["apiVersion"], o["kind"] = "apps/v1", "Deployment"
	}
	for _, name := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, label+" "+name) {
			o[name] = rapid.OneOf(
				rapid.Custom(func(t *rapid.T) any { return json.Number(fmt.Sprint(small.Draw(t, "n"))) }),
				rapid.Just[any](nil), rapid.Just[any]("<x>"),
				rapid.Custom(func(t *rapid.T) any { return map[string]any{"x": fmt.Sprint(small.Draw(t, "x"))} }),
				rapid.Custom(func(t *rapid.T) any { return []any{fmt.Sprint(small.Draw(t, "e"))} }),
			).Draw(t, label+" "+name)
		}
	}
	if rapid.Bool().Draw(t, label+" metadata") {
		o["metadata"] = map[string]any{
			"annotations": drawStrings(t, label+" annotations"),
			"finalizers":  drawSet(t, label+" finalizers"),
		}
	}
	if rapid.Bool().Draw(t, label+" spec") {
		o["spec"] = map[string]any{"template": map[string]any{"spec": map[string]any{"containers": drawContainers(t, label)}}}
	}
	return o
}

func drawStrings(t *rapid.T, label string) map[string]any {
	out := map[string]any{}
	for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a/b", "c.d", "e"}), 0, 3, rapid.ID).Draw(t, label) {
		out[k] = fmt.Sprint(rapid.IntRange(0, 1).Draw(t, label+k))
	}
	return out
}

func drawSet(t *rapid.T, label string) []any {
	out := []any{}
	for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, label) {
		out = append(out, k)
	}
	return out
}

func drawContainers(t *rapid.T, label string) []any {
	out := []any{}
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4).Draw(t, label+" containers")
	if rapid.IntRange(0, 9).Draw(t, label+" distinct") > 0 {
		slices.Sort(names)
		names = slices.Compact(names)
		names = rapid.Permutation(names).Draw(t, label+" order")
	}
	for _, n := range names {
		c := map[string]any{"name": n, "image": fmt.Sprint(rapid.IntRange(0, 1).Draw(t, label+" image"))}
		if v := rapid.SampledFrom([]string{"", "value", "valueFrom"}).Draw(t, label+" env"); v != "" {
			c["env"] = []any{map[string]any{"name": "A", v: fmt.Sprint(rapid.IntRange(0, 1).Draw(t, label+" value"))}}
		}
		out = append(out, c)
	}
	return out
}

func drawCase(t *rapid.T) Case {
	value := func(label string) Value {
		switch rapid.IntRange(0, 9).Draw(t, label+" is") {
		case 0:
			return none
		case 1:
			return some("no JSON")
		default:
			return Some(canonical(drawObject(t, label)))
		}
	}
	c := Case{Key: []byte("/a"), Base: value("base"), BaseKnown: rapid.IntRange(0, 9).Draw(t, "base is known") > 0}
	c.Edge, c.Source = c.Base, c.Base
	if rapid.IntRange(0, 9).Draw(t, "the edge changes") > 0 {
		c.Edge = value("edge")
	}
	if rapid.IntRange(0, 9).Draw(t, "the source changes") > 0 {
		c.Source = value("source")
	}
	if !c.BaseKnown {
		c.Base = none
	}
	return c
}

func drawRule(t *rapid.T) Rule {
	r := Rule{Policy: rapid.SampledFrom([]Policy{"", SourceWins, EdgeWins, HoldPolicy, MergePolicy, MergePolicy}).Draw(t, "policy")}
	paths := []string{"a", "a.x", "b[0]", "b[*]", `metadata.annotations["a/b"]`, "metadata.finalizers[*]", "spec.template.spec.containers[*]", "spec.template.spec.containers[*].image"}
	for range rapid.IntRange(0, 2).Draw(t, "ignores") {
		r.Ignore = append(r.Ignore, Ignore{
			Paths: []string{rapid.SampledFrom(paths).Draw(t, "path")},
			When:  rapid.SampledFrom([]When{"", OnEdgeChange, OnEdgePresent, OnEdgeAdd}).Draw(t, "when"),
		})
	}
	return r
}

// Merging with a side that changed nothing gives the other; merging again
// changes nothing; a field that only one side has changed is that side's.
func TestMergeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, e, s := drawObject(t, "base"), drawObject(t, "edge"), drawObject(t, "source")
		if got, fields := merge(b, e, b); !equal(got, e) || fields != nil {
			t.Fatalf("the source changed nothing, got %s %q", canonical(got), fields)
		}
		if got, fields := merge(b, b, s); !equal(got, s) || fields != nil {
			t.Fatalf("the edge changed nothing, got %s %q", canonical(got), fields)
		}
		if got, fields := merge(b, e, e); !equal(got, e) || fields != nil {
			t.Fatalf("both changed it alike, got %s %q", canonical(got), fields)
		}
		merged, fields := merge(b, e, s)
		if again, _ := merge(b, merged, s); !equal(again, merged) {
			t.Fatalf("not idempotent:\n%s\n%s", canonical(merged), canonical(again))
		}
		for _, name := range names(b, e, s) {
			if got, want := member(merged, name), oneSided(member(b, name), member(e, name), member(s, name)); want != nil && !equal(got, *want) {
				t.Fatalf("field %s is %v, want %v", name, got, *want)
			}
		}
		back, _ := merge(b, s, e)
		if len(fields) == 0 && member(e, "kind") == member(s, "kind") && !equal(sorted(back), sorted(merged)) {
			t.Fatalf("without a field in conflict the sides are alike:\n%s\n%s", canonical(merged), canonical(back))
		}
	})
}

// oneSided is what becomes of a field that at most one side has changed.
func oneSided(b, e, s any) *any {
	switch {
	case equal(b, e):
		return &s
	case equal(b, s):
		return &e
	default:
		return nil
	}
}

// sorted is a value with its lists in the order of their text: two orders that
// do not contradict each other can be joined in several ways.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, f := range v {
			out[name] = sorted(f)
		}
		return out
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			out[i] = string(canonical(sorted(e)))
		}
		slices.Sort(out)
		return out
	default:
		return v
	}
}

func TestDecideModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkDecision(t, drawRule(t), drawCase(t)) })
}

// checkDecision holds a decision against what all decisions have in common.
func checkDecision(t rapid.TB, r Rule, c Case) {
	t.Helper()
	before := [3]string{string(c.Base.Bytes), string(c.Edge.Bytes), string(c.Source.Bytes)}
	d := Decide(r, c)
	if !reflect.DeepEqual(d, Decide(r, c)) {
		t.Fatalf("decided otherwise the second time")
	}
	if before != [3]string{string(c.Base.Bytes), string(c.Edge.Bytes), string(c.Source.Bytes)} {
		t.Fatalf("the case was changed")
	}
	switch d.Outcome {
	case TakeSource:
		if !d.Write.Equal(c.Source) || len(d.Kept) > 0 {
			t.Fatalf("takes the source, writes %s, keeps %q", d.Write.Bytes, d.Kept)
		}
	case KeepEdge, Hold:
		if !d.Write.Equal(c.Edge) {
			t.Fatalf("keeps the edge, writes %s", d.Write.Bytes)
		}
	case WriteMerged:
		if _, err := readObject(d.Write); err != nil || d.Write.Equal(c.Source) || d.Write.Equal(c.Edge) {
			t.Fatalf("merges into %s: %v", d.Write.Bytes, err)
		}
	}
	if d.Outcome == Hold && !d.Type.Conflict() {
		t.Fatalf("holds what is in no conflict: %+v", d)
	}
	if len(r.Ignore) == 0 && !d.Type.Conflict() && !d.Write.Equal(c.Source) {
		t.Fatalf("a clean key gets the source's value, not %s", d.Write.Bytes)
	}
	if d.Outcome == Hold || r.Policy == EdgeWins && d.Type.Conflict() {
		return
	}
	// Once written, the decision stands until one of the sides changes again.
	next := c
	next.Edge = d.Write
	if again := Decide(r, next); again.Outcome == Hold || !again.Write.Equal(d.Write) {
		t.Fatalf("%+v\nthen %s\n%+v\nthen %s", d, d.Write.Bytes, again, again.Write.Bytes)
	}
}

func TestDecideGroupModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := make([]Member, rapid.IntRange(1, 4).Draw(t, "keys"))
		for i := range members {
			members[i] = Member{drawRule(t), drawCase(t)}
		}
		out := DecideGroup(members...)
		stopped := 0
		for i, d := range out {
			alone := Decide(members[i].Rule, members[i].Case)
			if d.Outcome == Hold || d.Type == Group ||
				alone.Type.Conflict() && alone.Type != DeleteMissing && members[i].Rule.Policy == EdgeWins {
				stopped++
			}
			if alone.Type.Conflict() && d.Type != alone.Type {
				t.Fatalf("member %d is %s, alone %s", i, d.Type, alone.Type)
			}
		}
		for i, d := range out {
			if stopped > 0 && !d.Write.Equal(members[i].Case.Edge) {
				t.Fatalf("member %d of a group that is stopped writes %s", i, d.Write.Bytes)
			}
			if alone := Decide(members[i].Rule, members[i].Case); stopped == 0 && !reflect.DeepEqual(d, alone) {
				t.Fatalf("member %d: %+v, alone %+v", i, d, alone)
			}
		}
	})
}
