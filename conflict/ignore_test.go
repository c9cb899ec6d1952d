package conflict

import (
	"slices"
	"strings"
	"testing"
)

// TestIgnore has what source-wins writes when fields are left to the edge.
func TestIgnore(t *testing.T) {
	const (
		change  = OnEdgeChange
		present = OnEdgePresent
		add     = OnEdgeAdd
	)
	for _, tt := range []struct {
		name                     string
		when                     When
		path                     string
		base, edge, source, want string
		kind                     Type
		kept                     string
	}{
		{"changed at the edge", change, "spec.n", `{"spec":{"n":1}}`, `{"spec":{"n":5}}`, `{"spec":{"n":2}}`, `{"spec":{"n":5}}`, Clean, "spec.n"},
		{"the source goes on", change, "n", `{"a":1,"n":1}`, `{"a":1,"n":5}`, `{"a":2,"n":1}`, `{"a":2,"n":5}`, Clean, "n"},
		{"unchanged at the edge", change, "n", `{"n":1}`, `{"n":1}`, `{"n":2}`, `{"n":2}`, Clean, ""},
		{"present at the edge", present, "n", `{"n":1}`, `{"n":1}`, `{"n":2}`, `{"n":1}`, Clean, "n"},
		{"removed at the edge", change, "n", `{"a":1,"n":1}`, `{"a":1}`, `{"a":1,"n":1}`, `{"a":1}`, Clean, "n"},
		{"not present at the edge", present, "n", `{"a":1,"n":1}`, `{"a":1}`, `{"a":1,"n":1}`, `{"a":1,"n":1}`, UpdateDirty, ""},
		{"removed at the source", change, "n", `{"a":1,"n":1}`, `{"a":1,"n":5}`, `{"a":1}`, `{"a":1,"n":5}`, Clean, "n"},
		{"another field changed too", change, "n", `{"a":1,"n":1}`, `{"a":9,"n":5}`, `{"a":2,"n":1}`, `{"a":2,"n":5}`, UpdateDirty, "n"},
		{"both wrote the same", change, "n", `{"a":1,"n":1}`, `{"a":2,"n":5}`, `{"a":2,"n":1}`, `{"a":2,"n":5}`, SameValue, "n"},
		{"made where its parent is missing", change, `metadata.annotations["a/b"]`, `{"metadata":{}}`, `{"metadata":{"annotations":{"a/b":"1"}}}`, `{"metadata":{},"x":1}`, `{"metadata":{"annotations":{"a/b":"1"}},"x":1}`, Clean, `metadata.annotations["a/b"]`},
		{"the parent is no mapping", change, "m.n", `{"m":{"n":1}}`, `{"m":{"n":2}}`, `{"m":7}`, `{"m":7}`, Clean, ""},
		{"a place in a list", change, "l[1]", `{"l":[1,2]}`, `{"l":[1,5]}`, `{"l":[3,2]}`, `{"l":[3,5]}`, Clean, "l[1]"},
		{"a place that is not there", change, "l[2]", `{"l":[1,2]}`, `{"l":[1,2,3]}`, `{"l":[1]}`, `{"l":[1]}`, UpdateDirty, ""},
		{"a whole list", change, "l[*]", `{"l":[1,2]}`, `{"l":[1,5]}`, `{"l":[3,2]}`, `{"l":[1,5]}`, Clean, "l"},
		{"entries by place", change, "l[*].n", `{"l":[{"n":1},{"n":1}]}`, `{"l":[{"n":5},{"n":1}]}`, `{"l":[{"n":2},{"n":2}]}`, `{"l":[{"n":5},{"n":2}]}`, Clean, "l[0].n"},
		{"entries by name", change, "l[*].n", `{"l":[{"n":1,"name":"a"}]}`, `{"l":[{"n":5,"name":"a"}]}`, `{"l":[{"name":"b"},{"n":1,"name":"a"}]}`, `{"l":[{"name":"b"},{"n":5,"name":"a"}]}`, Clean, "l[name=a].n"},
		{
			"ports by number", present, "spec.ports[*].nodePort", `{` + service + `,"spec":{"ports":[{"port":80}]}}`,
			`{` + service + `,"spec":{"ports":[{"nodePort":30080,"port":80,"protocol":"TCP"}]}}`,
			`{` + service + `,"spec":{"ports":[{"port":443},{"port":80}]}}`,
			`{` + service + `,"spec":{"ports":[{"port":443},{"nodePort":30080,"port":80}]}}`, UpdateDirty, "spec.ports[port=80].nodePort",
		},
		{
			"an injected container", add, "spec.template.spec.containers[*]", ofPod(`"containers":[{"image":"a:1","name":"a"}]`),
			ofPod(`"containers":[{"image":"a:1","name":"a"},{"name":"proxy"}]`), ofPod(`"containers":[{"image":"a:2","name":"a"}]`),
			ofPod(`"containers":[{"image":"a:2","name":"a"},{"name":"proxy"}]`), Clean, "spec.template.spec.containers[name=proxy]",
		},
		{
			"what is not injected", add, "spec.template.spec.containers[*]", ofPod(`"containers":[{"image":"a:1","name":"a"},{"name":"b"}]`),
			ofPod(`"containers":[{"image":"a:9","name":"a"},{"name":"b"}]`), ofPod(`"containers":[{"image":"a:1","name":"a"}]`),
			ofPod(`"containers":[{"image":"a:1","name":"a"}]`), UpdateDirty, "",
		},
		{
			"the first of them", add, "spec.template.spec.initContainers[*]", ofPod(`"containers":[{"name":"a"}]`),
			ofPod(`"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]`), ofPod(`"containers":[{"name":"a"}]`),
			ofPod(`"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]`), Clean, "spec.template.spec.initContainers[name=i]",
		},
	} {
		r := Rule{Ignore: []Ignore{{Paths: []string{tt.path}, When: tt.when}}}
		d := Decide(r, known(some(tt.base), some(tt.edge), some(tt.source)))
		if string(d.Write.Bytes) != tt.want || d.Type != tt.kind || strings.Join(d.Kept, " ") != tt.kept {
			t.Errorf("%s: type %q, kept %q\n got %s\nwant %s", tt.name, d.Type, d.Kept, d.Write.Bytes, tt.want)
		}
	}
}

// An ignored field is the edge's under every policy, and no conflict.
func TestIgnoreUnderEveryPolicy(t *testing.T) {
	ignore := []Ignore{{Paths: []string{"n"}, When: OnEdgeChange}}
	only := known(some(`{"a":1,"n":1}`), some(`{"a":1,"n":5}`), some(`{"a":2,"n":2}`))
	more := known(some(`{"a":1,"b":1,"n":1}`), some(`{"a":1,"b":9,"n":5}`), some(`{"a":2,"b":1,"n":2}`))
	for p, want := range map[Policy]string{
		SourceWins: `{"a":2,"b":1,"n":5}`, MergePolicy: `{"a":2,"b":9,"n":5}`, EdgeWins: string(more.Edge.Bytes), HoldPolicy: string(more.Edge.Bytes),
	} {
		if d := Decide(Rule{p, ignore}, only); d.Type.Conflict() || string(d.Write.Bytes) != `{"a":2,"n":5}` || !slices.Equal(d.Kept, []string{"n"}) {
			t.Errorf("%s: %+v", p, d)
		}
		if d := Decide(Rule{p, ignore}, more); d.Type != UpdateDirty || string(d.Write.Bytes) != want {
			t.Errorf("%s: %s", p, d.Write.Bytes)
		}
	}
}

// Without a base, what the edge has is its own.
func TestIgnoreWithoutABase(t *testing.T) {
	c := unknown(some(`{"n":5}`), some(`{"n":1}`))
	for _, w := range []When{OnEdgeChange, OnEdgePresent} {
		d := Decide(Rule{Ignore: []Ignore{{Paths: []string{"n"}, When: w}}}, c)
		if d.Type != SameValue || d.Outcome != KeepEdge || !d.Write.Equal(c.Edge) {
			t.Errorf("%s: %+v", w, d)
		}
	}
}

// Fields are of objects: other values are decided about as a whole.
func TestIgnoreNeedsObjects(t *testing.T) {
	c := known(some("1"), some("2"), some("3"))
	d := Decide(Rule{Ignore: []Ignore{{Paths: []string{"n"}}}}, c)
	if d.Type != UpdateDirty || d.Outcome != TakeSource || !d.Write.Equal(c.Source) {
		t.Errorf("%+v", d)
	}
}
