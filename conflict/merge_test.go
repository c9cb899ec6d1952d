package conflict

import (
	"slices"
	"strings"
	"testing"
)

const (
	deployment = `"apiVersion":"apps/v1","kind":"Deployment"`
	service    = `"apiVersion":"v1","kind":"Service"`
	widget     = `"apiVersion":"example.com/v1","kind":"Widget"`
)

// ofPod is a Deployment with this in the spec of its Pods.
func ofPod(s string) string {
	return `{` + deployment + `,"spec":{"template":{"spec":{` + s + `}}}}`
}

// TestMerge has three values and what becomes of them. Values are canonical, so
// that what is merged can be compared as text.
func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		base, edge, source, merge string
		fields                    string
	}{
		{"different fields", `{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"a":1,"b":2}`, `{"a":2,"b":2}`, ""},
		{"the same field", `{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":3}`, "a"},
		{"alike", `{"a":1,"b":1}`, `{"a":2,"b":2}`, `{"a":2,"b":1}`, `{"a":2,"b":2}`, ""},
		{"added on both sides", `{}`, `{"x":1}`, `{"y":1}`, `{"x":1,"y":1}`, ""},
		{"removed at the edge", `{"a":1,"b":1}`, `{"b":1}`, `{"a":1,"b":2}`, `{"b":2}`, ""},
		{"removed at the source", `{"a":1,"b":1}`, `{"a":1,"b":2}`, `{"b":1}`, `{"b":2}`, ""},
		{"removed and changed", `{"a":1,"b":1}`, `{"b":1}`, `{"a":2,"b":1}`, `{"a":2,"b":1}`, "a"},
		{"changed and removed", `{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"b":1}`, `{"b":1}`, "a"},
		{"inside of mappings", `{"m":{"a":1,"b":1}}`, `{"m":{"a":2,"b":1}}`, `{"m":{"a":1,"b":2}}`, `{"m":{"a":2,"b":2}}`, ""},
		{"a mapping that went", `{"m":{"a":1}}`, `{"m":{"a":1,"b":1}}`, `{}`, `{}`, "m"},
		{"null is a value", `{"a":1}`, `{"a":null}`, `{"a":1,"b":1}`, `{"a":null,"b":1}`, ""},
		{"lists are one thing", `{"l":[1,2]}`, `{"l":[1,2,3]}`, `{"l":[0,1,2]}`, `{"l":[0,1,2]}`, "l"},
		{"large numbers", `{"a":1,"n":12345678901234567890.10}`, `{"a":2,"n":12345678901234567890.10}`, `{"a":1,"b":1,"n":12345678901234567890.10}`, `{"a":2,"b":1,"n":12345678901234567890.10}`, ""},
		{"nothing is escaped", `{"a":"<&>"}`, `{"a":"<&>","b":1}`, `{"a":"<&>","c":1}`, `{"a":"<&>","b":1,"c":1}`, ""},
		{"names with dots", `{"m":{"a.b":1}}`, `{"m":{"a.b":2}}`, `{"m":{"a.b":3}}`, `{"m":{"a.b":3}}`, `m["a.b"]`},
		{"of other types", `{"a":1}`, `{"a":{"x":1}}`, `{"a":[1]}`, `{"a":[1]}`, "a"},

		{
			"containers by name", ofPod(`"containers":[{"image":"a:1","name":"a"},{"image":"b:1","name":"b"}]`),
			ofPod(`"containers":[{"image":"a:1","name":"a"},{"image":"b:2","name":"b"}]`),
			ofPod(`"containers":[{"image":"a:2","name":"a"},{"image":"b:1","name":"b"}]`),
			ofPod(`"containers":[{"image":"a:2","name":"a"},{"image":"b:2","name":"b"}]`), "",
		},
		{
			"one image", ofPod(`"containers":[{"image":"a:1","name":"a"}]`), ofPod(`"containers":[{"image":"a:2","name":"a"}]`),
			ofPod(`"containers":[{"image":"a:3","name":"a"}]`), ofPod(`"containers":[{"image":"a:3","name":"a"}]`),
			"spec.template.spec.containers[name=a].image",
		},
		{
			"an injected container stays where it is", ofPod(`"containers":[{"image":"a:1","name":"a"}]`),
			ofPod(`"containers":[{"name":"proxy"},{"image":"a:1","name":"a"}]`),
			ofPod(`"containers":[{"image":"a:2","name":"a"},{"name":"c"}]`),
			ofPod(`"containers":[{"name":"proxy"},{"image":"a:2","name":"a"},{"name":"c"}]`), "",
		},
		{
			"a container that went", ofPod(`"containers":[{"name":"a"},{"image":"b:1","name":"b"}]`),
			ofPod(`"containers":[{"name":"a"},{"image":"b:2","name":"b"}]`), ofPod(`"containers":[{"name":"a"}]`),
			ofPod(`"containers":[{"name":"a"}]`), "spec.template.spec.containers[name=b]",
		},
		{
			"the source's order", ofPod(`"containers":[{"name":"a"},{"name":"b"}]`),
			ofPod(`"containers":[{"name":"a"},{"name":"x"},{"name":"b"}]`), ofPod(`"containers":[{"name":"b"},{"name":"a"}]`),
			ofPod(`"containers":[{"name":"b"},{"name":"a"},{"name":"x"}]`), "",
		},
		{
			"two orders", ofPod(`"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]`),
			ofPod(`"containers":[{"name":"c"},{"name":"a"},{"name":"b"}]`), ofPod(`"containers":[{"name":"b"},{"name":"a"},{"name":"c"}]`),
			ofPod(`"containers":[{"name":"b"},{"name":"a"},{"name":"c"}]`), "spec.template.spec.containers",
		},
		{
			"names that are there twice", ofPod(`"containers":[{"name":"a"}]`), ofPod(`"containers":[{"name":"a"},{"name":"a"}]`),
			ofPod(`"containers":[{"name":"a"},{"name":"b"}]`), ofPod(`"containers":[{"name":"a"},{"name":"b"}]`), "spec.template.spec.containers",
		},
		{
			"one port, two protocols", `{` + service + `,"spec":{"ports":[{"port":53},{"port":53,"protocol":"UDP"}]}}`,
			`{` + service + `,"spec":{"ports":[{"nodePort":30053,"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}}`,
			`{` + service + `,"spec":{"ports":[{"port":53},{"name":"dns","port":53,"protocol":"UDP"}]}}`,
			`{` + service + `,"spec":{"ports":[{"nodePort":30053,"port":53,"protocol":"TCP"},{"name":"dns","port":53,"protocol":"UDP"}]}}`, "",
		},
		{
			"volumes are of one kind", ofPod(`"volumes":[{"emptyDir":{},"name":"v"}]`), ofPod(`"volumes":[{"emptyDir":{"medium":"Memory"},"name":"v"}]`),
			ofPod(`"volumes":[{"configMap":{"name":"c"},"name":"v"}]`), ofPod(`"volumes":[{"configMap":{"name":"c"},"name":"v"}]`),
			"spec.template.spec.volumes[name=v]",
		},
		{
			"variables have one value", ofPod(`"containers":[{"env":[{"name":"A","value":"1"}],"name":"a"}]`),
			ofPod(`"containers":[{"env":[{"name":"A","valueFrom":{}}],"name":"a"}]`),
			ofPod(`"containers":[{"env":[{"name":"A","value":"2"}],"name":"a"}]`),
			ofPod(`"containers":[{"env":[{"name":"A","value":"2"}],"name":"a"}]`),
			"spec.template.spec.containers[name=a].env[name=A].value spec.template.spec.containers[name=a].env[name=A].valueFrom",
		},
		{
			"a probe that went", ofPod(`"containers":[{"livenessProbe":{"httpGet":{}},"name":"a"}]`),
			ofPod(`"containers":[{"livenessProbe":{"httpGet":{},"periodSeconds":5},"name":"a"}]`), ofPod(`"containers":[{"name":"a"}]`),
			ofPod(`"containers":[{"name":"a"}]`), "spec.template.spec.containers[name=a].livenessProbe",
		},
		{
			"annotations that went", `{` + deployment + `,"metadata":{"annotations":{"a":"1"},"name":"x"}}`,
			`{` + deployment + `,"metadata":{"annotations":{"a":"1","b":"1"},"name":"x"}}`, `{` + deployment + `,"metadata":{"name":"x"}}`,
			`{` + deployment + `,"metadata":{"annotations":{"b":"1"},"name":"x"}}`, "",
		},
		{
			"the last annotation", `{` + widget + `,"metadata":{"annotations":{"a":"1"}}}`, `{` + widget + `,"metadata":{"annotations":{"a":"2"}}}`,
			`{` + widget + `,"metadata":{}}`, `{` + widget + `,"metadata":{}}`, "metadata.annotations.a",
		},
		{
			"finalizers are a set", `{` + widget + `,"metadata":{"finalizers":["a/a"]}}`, `{` + widget + `,"metadata":{"finalizers":["a/a","b/b"]}}`,
			`{` + widget + `,"metadata":{"finalizers":["c/c"]}}`, `{` + widget + `,"metadata":{"finalizers":["c/c","b/b"]}}`, "",
		},
		{
			"lists of custom resources are one thing", `{` + widget + `,"spec":{"containers":[{"name":"a"}]}}`,
			`{` + widget + `,"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`, `{` + widget + `,"spec":{"containers":[{"name":"c"}]}}`,
			`{` + widget + `,"spec":{"containers":[{"name":"c"}]}}`, "spec.containers",
		},
		{
			"selectors are replaced", `{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","spec":{"selector":{"matchLabels":{"a":"1"}}}}`,
			`{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","spec":{"selector":{"matchLabels":{"a":"1","b":"1"}}}}`,
			`{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","spec":{"selector":{"matchLabels":{"a":"1","c":"1"}}}}`,
			`{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","spec":{"selector":{"matchLabels":{"a":"1","c":"1"}}}}`, "spec.selector",
		},
	} {
		c := known(some(tt.base), some(tt.edge), some(tt.source))
		d := Decide(Rule{Policy: MergePolicy}, c)
		if got := string(d.Write.Bytes); got != tt.merge || strings.Join(d.Fields, " ") != tt.fields {
			t.Errorf("%s:\n got %s %q\nwant %s %q", tt.name, got, d.Fields, tt.merge, tt.fields)
		}
		want := WriteMerged
		switch tt.merge {
		case tt.source:
			want = TakeSource
		case tt.edge:
			want = KeepEdge
		}
		if d.Outcome != want {
			t.Errorf("%s: outcome %s, want %s", tt.name, d.Outcome, want)
		}
	}
}

// What is merged stays merged at the changes that follow, because the base is
// the source's value and not what was written.
func TestMergedStaysMerged(t *testing.T) {
	edge := some(`{"a":1,"edge":true}`)
	base := some(`{"a":1}`)
	for _, next := range []string{`{"a":2}`, `{"a":3,"b":1}`, `{"b":1}`} {
		d := Decide(Rule{Policy: MergePolicy}, known(base, edge, some(next)))
		if want := strings.TrimSuffix(next, "}") + `,"edge":true}`; string(d.Write.Bytes) != want {
			t.Fatalf("got %s, want %s", d.Write.Bytes, want)
		}
		edge, base = d.Write, some(next)
	}
}

// The bytes of a side are used when they say what is merged, however they are
// written.
func TestMergeUsesTheBytesOfASide(t *testing.T) {
	base, edge := some(`{"a":1}`), some(`{"a": 2}`)
	for _, tt := range []struct {
		source string
		want   Outcome
	}{{`{ "a" : 2 }`, TakeSource}, {`{"a" : 1}`, KeepEdge}} {
		d := Decide(Rule{Policy: MergePolicy}, known(base, edge, some(tt.source)))
		if d.Outcome != tt.want || !slices.ContainsFunc([]Value{edge, some(tt.source)}, d.Write.Equal) {
			t.Errorf("%s: %+v", tt.source, d)
		}
	}
}
