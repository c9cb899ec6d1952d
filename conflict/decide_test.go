package conflict

import (
	"reflect"
	"testing"
)

func some(s string) Value { return Some([]byte(s)) }

var none Value

// known is a case of which the base is known.
func known(base, edge, source Value) Case {
	return Case{Key: []byte("/a"), Base: base, Edge: edge, Source: source, BaseKnown: true}
}

func unknown(edge, source Value) Case { return Case{Key: []byte("/a"), Edge: edge, Source: source} }

// TestDecide is the table of docs/conflicts.md, which has one row for each type
// and one column for each policy.
func TestDecide(t *testing.T) {
	type want struct {
		outcome Outcome
		write   Value
	}
	b, e, s := some("base"), some("edge"), some("source")
	policies := []Policy{SourceWins, EdgeWins, HoldPolicy, MergePolicy}
	for _, tt := range []struct {
		name string
		c    Case
		kind Type
		want [4]want // by policy
	}{
		{"nobody changed it", known(b, b, b), Clean, [4]want{{TakeSource, b}, {TakeSource, b}, {TakeSource, b}, {TakeSource, b}}},
		{"the source changed it", known(b, b, s), Clean, [4]want{{TakeSource, s}, {TakeSource, s}, {TakeSource, s}, {TakeSource, s}}},
		{"the source deleted it", known(b, b, none), Clean, [4]want{{TakeSource, none}, {TakeSource, none}, {TakeSource, none}, {TakeSource, none}}},
		{"the source made it", known(none, none, s), Clean, [4]want{{TakeSource, s}, {TakeSource, s}, {TakeSource, s}, {TakeSource, s}}},
		{"the edge changed it", known(b, e, b), UpdateDirty, [4]want{{TakeSource, b}, {KeepEdge, e}, {Hold, e}, {KeepEdge, e}}},
		{"both changed it", known(b, e, s), UpdateDirty, [4]want{{TakeSource, s}, {KeepEdge, e}, {Hold, e}, {Hold, e}}},
		{"the edge deleted it", known(b, none, b), UpdateMissing, [4]want{{TakeSource, b}, {KeepEdge, none}, {Hold, none}, {KeepEdge, none}}},
		{"changed and deleted", known(b, none, s), UpdateMissing, [4]want{{TakeSource, s}, {KeepEdge, none}, {Hold, none}, {Hold, none}}},
		{"deleted and changed", known(b, e, none), DeleteDirty, [4]want{{TakeSource, none}, {KeepEdge, e}, {Hold, e}, {Hold, e}}},
		{"the edge made it", known(none, e, none), DeleteDirty, [4]want{{TakeSource, none}, {KeepEdge, e}, {Hold, e}, {KeepEdge, e}}},
		{"both deleted it", known(b, none, none), DeleteMissing, [4]want{{TakeSource, none}, {TakeSource, none}, {TakeSource, none}, {TakeSource, none}}},
		{"both made it", known(none, e, s), InsertExists, [4]want{{TakeSource, s}, {KeepEdge, e}, {Hold, e}, {Hold, e}}},
		{"both made the same", known(none, s, s), SameValue, [4]want{{TakeSource, s}, {TakeSource, s}, {TakeSource, s}, {TakeSource, s}}},
		{"both changed it alike", known(b, s, s), SameValue, [4]want{{TakeSource, s}, {TakeSource, s}, {TakeSource, s}, {TakeSource, s}}},
		{"base unknown", unknown(e, s), UpdateDirty, [4]want{{TakeSource, s}, {KeepEdge, e}, {Hold, e}, {Hold, e}}},
		{"base unknown, missing", unknown(none, s), UpdateMissing, [4]want{{TakeSource, s}, {KeepEdge, none}, {Hold, none}, {Hold, none}}},
		{"base unknown, deleted", unknown(e, none), DeleteDirty, [4]want{{TakeSource, none}, {KeepEdge, e}, {Hold, e}, {Hold, e}}},
		{"base unknown, same", unknown(s, s), SameValue, [4]want{{TakeSource, s}, {TakeSource, s}, {TakeSource, s}, {TakeSource, s}}},
		{"an empty value is a value", known(b, some(""), none), DeleteDirty, [4]want{{TakeSource, none}, {KeepEdge, some("")}, {Hold, some("")}, {Hold, some("")}}},
	} {
		for i, p := range policies {
			d := Decide(Rule{Policy: p}, tt.c)
			if d.Type != tt.kind || d.Outcome != tt.want[i].outcome || !d.Write.Equal(tt.want[i].write) {
				t.Errorf("%s, %s: %+v", tt.name, p, d)
			}
			if needsReason := p == MergePolicy && d.Outcome == Hold; needsReason != (d.Reason != "") {
				t.Errorf("%s, %s: reason %q", tt.name, p, d.Reason)
			}
		}
		if got, want := Decide(Rule{}, tt.c), Decide(Rule{Policy: SourceWins}, tt.c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: without a policy %+v", tt.name, got)
		}
	}
}

func TestDecideHoldsWhatItDoesNotKnow(t *testing.T) {
	c := known(some("b"), some("e"), some("s"))
	for _, tt := range []struct {
		rule   Rule
		reason string
	}{
		{Rule{Policy: "newest"}, `this version does not know the policy "newest"`},
		{Rule{Ignore: []Ignore{{Paths: []string{"a"}, When: "onFullMoon"}}}, `this version does not know when "onFullMoon" is`},
		{Rule{Ignore: []Ignore{{Paths: []string{"a", "b[?]"}}}}, `"b[?]" is no path to a field`},
	} {
		if d := Decide(tt.rule, c); d.Outcome != Hold || !d.Write.Equal(c.Edge) || d.Reason != tt.reason {
			t.Errorf("%+v: %+v", tt.rule, d)
		}
	}
}

func TestMergeSaysWhyNot(t *testing.T) {
	json := some(`{"a":1}`)
	for _, tt := range []struct {
		c      Case
		reason string
	}{
		{unknown(json, some(`{"a":2}`)), "cannot be merged: what was replicated last is not known"},
		{known(json, none, some(`{"a":2}`)), "cannot be merged: the edge deleted what the source changed"},
		{known(json, some(`{"a":2}`), none), "cannot be merged: the source deleted what the edge changed"},
		{known(json, some("\x00"), some(`{"a":2}`)), "cannot be merged: the value at the edge is no JSON"},
		{known(json, some(`[1]`), some(`{"a":2}`)), "cannot be merged: the value at the edge is JSON, but no object with fields"},
		{known(json, some(`{"a":2}`), some(`{"a":3,"a":4}`)), `cannot be merged: the value of the source is no JSON that has one meaning (duplicate object member name "a")`},
		{known(json, some(`{"a":2}`), some(`{"a":"\ud800"}`)), "cannot be merged: the value of the source is no JSON that has one meaning (invalid surrogate pair"},
		{known(json, some(`{"a":2} {}`), some(`{"a":3}`)), "cannot be merged: the value at the edge is no JSON that has one meaning (there is more after the object)"},
		{known(some(`x`), json, some(`{"a":3}`)), "cannot be merged: the value replicated last is no JSON"},
	} {
		d := Decide(Rule{Policy: MergePolicy}, tt.c)
		if d.Outcome != Hold || len(d.Reason) < len(tt.reason) || d.Reason[:len(tt.reason)] != tt.reason {
			t.Errorf("%q", d.Reason)
		}
	}
}

func TestDecideGroup(t *testing.T) {
	b, e, s := some("base"), some("edge"), some("source")
	clean, dirty, alike, gone := known(b, b, s), known(b, e, s), known(b, s, s), known(b, none, none)
	source, edge, hold := Rule{Policy: SourceWins}, Rule{Policy: EdgeWins}, Rule{Policy: HoldPolicy}
	merge := Rule{Policy: MergePolicy}
	mergeable := known(some(`{}`), some(`{"a":1}`), some(`{"b":1}`))
	type want struct {
		kind    Type
		outcome Outcome
	}
	for _, tt := range []struct {
		name    string
		members []Member
		want    []want
	}{
		{"nobody is dirty", []Member{{hold, clean}, {edge, clean}}, []want{{Clean, TakeSource}, {Clean, TakeSource}}},
		{"one alone", []Member{{edge, dirty}}, []want{{UpdateDirty, KeepEdge}}},
		{"source wins", []Member{{source, clean}, {source, dirty}}, []want{{Clean, TakeSource}, {UpdateDirty, TakeSource}}},
		{"edge wins", []Member{{source, clean}, {edge, dirty}, {edge, alike}}, []want{{Group, KeepEdge}, {UpdateDirty, KeepEdge}, {Group, KeepEdge}}},
		{"hold", []Member{{source, clean}, {hold, dirty}, {source, gone}}, []want{{Group, Hold}, {UpdateDirty, Hold}, {DeleteMissing, Hold}}},
		{"hold wins", []Member{{source, dirty}, {edge, dirty}, {hold, dirty}}, []want{{UpdateDirty, Hold}, {UpdateDirty, Hold}, {UpdateDirty, Hold}}},
		{"merged", []Member{{source, clean}, {merge, mergeable}}, []want{{Clean, TakeSource}, {UpdateDirty, WriteMerged}}},
		{"not to be merged", []Member{{source, clean}, {merge, mergeable}, {merge, dirty}}, []want{{Group, Hold}, {UpdateDirty, Hold}, {UpdateDirty, Hold}}},
		{"a contradiction", []Member{{source, dirty}, {edge, clean}, {edge, dirty}}, []want{{UpdateDirty, Hold}, {Group, Hold}, {UpdateDirty, Hold}}},
		{"both deleted one", []Member{{source, gone}, {edge, dirty}}, []want{{DeleteMissing, KeepEdge}, {UpdateDirty, KeepEdge}}},
	} {
		for i, d := range DecideGroup(tt.members...) {
			if d.Type != tt.want[i].kind || d.Outcome != tt.want[i].outcome {
				t.Errorf("%s: member %d: %+v", tt.name, i, d)
			}
			stopped := d.Outcome == Hold || d.Outcome == KeepEdge
			if stopped && !d.Write.Equal(tt.members[i].Case.Edge) {
				t.Errorf("%s: member %d would be written", tt.name, i)
			}
			if d.Type == Group && d.Reason == "" {
				t.Errorf("%s: member %d has no reason", tt.name, i)
			}
		}
	}
}
