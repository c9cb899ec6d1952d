package transform_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
)

// file is what the tests read: steps, or an object.
type file struct {
	Steps  []transform.Step `yaml:"steps" item:"step"`
	Object map[string]any   `yaml:"object"`
}

func read(t *testing.T, text string) file {
	t.Helper()
	var f file
	if err := strictyaml.Decode("test.yaml", []byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// object reads a manifest.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	return read(t, "object:\n  "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")).Object
}

func steps(t *testing.T, text string) []transform.Step {
	t.Helper()
	return read(t, "steps:\n"+text).Steps
}

func compile(t *testing.T, s []transform.Step) *transform.Program {
	t.Helper()
	p, problems := transform.Compile(s)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return p
}

// TestApply runs the files of testdata/apply: steps, an object, and the object
// or the error that comes of it.
func TestApply(t *testing.T) {
	files, err := filepath.Glob("testdata/apply/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			obj := object(t, parts["in"])
			err = compile(t, steps(t, parts["steps"])).Apply(obj)
			if want := strings.TrimSpace(parts["error"]); want != "" {
				if err == nil || err.Error() != want {
					t.Fatalf("got  %v\nwant %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, obj, object(t, parts["out"]))
		})
	}
}

func same(t *testing.T, got, want map[string]any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		g, _ := json.MarshalIndent(got, "", "  ")
		w, _ := json.MarshalIndent(want, "", "  ")
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"- {}": "step 1: the step does nothing; use dropFields, setFields, images, namespace, annotations, labels or patch",
		"- {dropFields: [a], labels: {remove: [a]}}": "step 1: the step has dropFields and labels; make each a step of its own: they are carried out in the order of the list",

		"- dropFields: []":                         "step 1, dropFields: no fields to drop; name one, or remove the step",
		"- dropFields: [kind]":                     "step 1, dropFields[0]: kind cannot be changed: it is part of what the object is; leave it out",
		"- dropFields: [metadata]":                 "step 1, dropFields[0]: metadata cannot be changed: it is part of what the object is; name a field inside of metadata",
		"- dropFields: [metadata.namespace]":       "step 1, dropFields[0]: metadata.namespace cannot be changed: it is part of what the object is; use a namespace step",
		"- dropFields: ['metadata[\"name\"]']":     "step 1, dropFields[0]: metadata.name cannot be changed: it is part of what the object is; leave it out",
		"- dropFields: [/spec/replicas]":           `step 1, dropFields[0]: "/spec/replicas" is a JSON pointer, not a path; write it like spec.replicas`,
		"- dropFields: [.spec.replicas]":           `step 1, dropFields[0]: ".spec.replicas" does not begin with the name of a field; did you mean "spec.replicas"?`,
		"- dropFields: [spec..replicas]":           "step 1, dropFields[0]: a name is missing in the path; write it like spec.replicas",
		"- dropFields: ['']":                       "step 1, dropFields[0]: the path is empty; write it like spec.replicas",
		"- dropFields: ['[0].a']":                  `step 1, dropFields[0]: "[0].a" begins with a place in a list, but an object is a mapping; begin with the name of a field`,
		"- dropFields: ['spec.c.*.image']":         "step 1, dropFields[0]: * stands for nothing here; write [*] for every entry of a list",
		"- dropFields: ['spec.c[01]']":             `step 1, dropFields[0]: [01] is not a place in a list; write [0], [*] or ["name"]`,
		"- dropFields: ['spec.c[0']":               `step 1, dropFields[0]: "[0" has no ]; write [0], [*] or ["name"]`,
		"- dropFields: ['spec.c[0]x']":             `step 1, dropFields[0]: there is no dot before "x"; write it like spec.containers[0].image`,
		"- dropFields: ['a[\"b]']":                 `step 1, dropFields[0]: "[\"b]" is not a name in quotes and brackets; write it like ["example.com/owner"]`,
		"- dropFields: [metadata.labels.a.b/team]": `step 1, dropFields[0]: "b/team" is not a plain name; write names with dots, slashes or blanks like metadata.annotations["example.com/owner"]`,

		"- setFields: {}":                                     "step 1, setFields: no fields to set; name one, or remove the step",
		"- setFields: {metadata.name: x}":                     `step 1, setFields["metadata.name"]: metadata.name cannot be changed: it is part of what the object is; leave it out`,
		"- setFields: {metadata.name.x: x}":                   `step 1, setFields["metadata.name.x"]: metadata.name.x cannot be changed: it is part of what the object is; leave it out`,
		"- setFields: {metadata.uid: x}":                      `step 1, setFields["metadata.uid"]: metadata.uid cannot be set: each cluster decides it for itself; leave it out`,
		"- setFields: {'metadata.ownerReferences[0].uid': x}": `step 1, setFields["metadata.ownerReferences[0].uid"]: metadata.ownerReferences cannot be set: each cluster decides it for itself; leave it out`,
		"- setFields: {spec.replicas: null}":                  `step 1, setFields["spec.replicas"]: spec.replicas has no value; to remove a field use dropFields`,
		"- setFields: {spec: {a: 1}, spec.a: 2}":              `step 1, setFields["spec.a"]: "spec" and "spec.a" set the same field; set it once, or use two steps`,
		"- setFields: {'a[*].b': 1, 'a[0].b': 2}":             `step 1, setFields["a[0].b"]: "a[*].b" and "a[0].b" set the same field; set it once, or use two steps`,

		"- images: {from: https://a.io, to: b.io}": `step 1, images.from: "https://a.io" is an address, not a registry; did you mean "a.io"?`,
		"- images: {from: nginx, to: b.io}":        `step 1, images.from: "nginx" does not begin with a registry; a registry has a dot or a port; those of Docker Hub begin with docker.io/`,
		"- images: {from: a.io/, to: b.io}":        `step 1, images.from: "a.io/" ends with a slash; did you mean "a.io"?`,
		"- images: {from: a.io, to: ''}":           "step 1, images.to: the registry is empty; write it like registry.example.com or docker.io/library",
		"- images: {from: a.io, to: A.io}":         "step 1, images.to: from and to are the same; remove the step, or change one of them",
		"- images: {from: a.io/x:1, to: b.io}":     `step 1, images.from: "a.io/x:1" is not a registry or the start of an image name; write it like registry.example.com:5000/team, without a tag`,

		"- namespace: {from: shop, to: shop}":                          "step 1, namespace.to: from and to are the same; remove the step, or change one of them",
		"- namespace: {from: shop, to: Shop_1}":                        `step 1, namespace.to: "Shop_1" cannot be the name of a namespace; use lower-case letters, digits and inner hyphens, at most 63`,
		"- namespace: {from: a, to: b}\n- namespace: {from: b, to: c}": `step 2, namespace.from: step 1 has just moved objects to namespace "b"; name the last namespace in that step`,
		"- namespace: {from: a, to: b}\n- namespace: {from: a, to: c}": `step 2, namespace.from: namespace "a" is moved by step 1 already; remove one of the steps`,
		"- namespace: {from: a, to: c}\n- namespace: {from: b, to: c}": `step 2, namespace.to: step 1 moves another namespace to "c"; move each to a namespace of its own, or objects of one name would meet`,

		"- labels: {}":                              "step 1, labels: nothing to add and nothing to remove; use add or remove",
		"- labels: {add: {a/b/c: x}}":               `step 1, labels.add["a/b/c"]: "a/b/c" cannot be the key of a label; write it like owner or example.com/owner`,
		"- labels: {add: {a: 'x y'}}":               `step 1, labels.add.a: "x y" cannot be the value of a label; use at most 63 letters, digits, -, _ and ., with a letter or digit at both ends`,
		"- annotations: {add: {a: x}, remove: [a]}": `step 1, annotations.remove[0]: "a" is added and removed; remove it from one of the lists`,

		"- patch: []": "step 1, patch: no operations; add one, or remove the step",
		"- patch: [{op: add, path: spec.a, value: 1}]":        `step 1, patch[0].path: "spec.a" is not a JSON pointer; did you mean "/spec/a"?`,
		"- patch: [{op: add, path: /spec/a}]":                 "step 1, patch[0]: add needs a value; add value: to the operation",
		"- patch: [{op: remove, path: /spec/a, value: 1}]":    "step 1, patch[0].value: remove takes no value; remove it",
		"- patch: [{op: move, path: /spec/a}]":                "step 1, patch[0]: move needs a from; add from: to the operation",
		"- patch: [{op: test, path: /a, from: /b, value: 1}]": "step 1, patch[0].from: test takes no from; remove it",
		"- patch: [{op: replace, path: /kind, value: x}]":     "step 1, patch[0].path: kind cannot be changed: it is part of what the object is; leave it out",
		"- patch: [{op: replace, path: '', value: {}}]":       "step 1, patch[0].path: the whole object cannot be changed: it is part of what the object is; name a field",
		"- patch: [{op: move, from: /metadata, path: /x}]":    "step 1, patch[0].from: metadata cannot be changed: it is part of what the object is; name a field inside of metadata",
		"- patch: [{op: move, from: /a, path: /a/b}]":         "step 1, patch[0].from: a value cannot move into itself; use copy",
		"- patch: [{op: add, path: /a~2, value: 1}]":          `step 1, patch[0].path: "/a~2" has a ~ that stands for nothing; write ~0 for ~ and ~1 for /`,
		"- patch: [{op: add, path: /metadata/uid, value: 1}]": "step 1, patch[0].path: metadata.uid cannot be set: each cluster decides it for itself; leave it out",
	} {
		t.Run(text, func(t *testing.T) {
			p, problems := transform.Compile(steps(t, text))
			if len(problems) != 1 || problems[0].String() != want || p != nil {
				t.Errorf("got  %v\nwant [%s]", problems, want)
			}
		})
	}
}

// TestEveryProblemAtOnce has a mistake in each of three steps; the places are
// those of the YAML file.
func TestEveryProblemAtOnce(t *testing.T) {
	_, problems := transform.Compile(steps(t, "- dropFields: [a, kind]\n- {}\n- setFields: {b: 1, metadata.uid: x}\n"))
	var places [][]any
	for _, p := range problems {
		places = append(places, append([]any{p.Step}, p.Path...))
	}
	want := [][]any{{0, "dropFields", 1}, {1}, {2, "setFields", "metadata.uid"}}
	if !reflect.DeepEqual(places, want) {
		t.Errorf("got %v, want %v", places, want)
	}
}

// TestNothingIsShared changes the outcome of one application and looks at the
// next one.
func TestNothingIsShared(t *testing.T) {
	p := compile(t, steps(t, "- setFields: {'spec.list': [{a: 1}], 'spec.map': {b: [2]}}\n"))
	first := object(t, "kind: A")
	if err := p.Apply(first); err != nil {
		t.Fatal(err)
	}
	spec := first["spec"].(map[string]any)
	spec["list"].([]any)[0].(map[string]any)["a"] = "changed"
	spec["map"].(map[string]any)["b"].([]any)[0] = "changed"
	second := object(t, "kind: A")
	if err := p.Apply(second); err != nil {
		t.Fatal(err)
	}
	same(t, second, object(t, "kind: A\nspec: {list: [{a: 1}], map: {b: [2]}}"))
}

func TestProgramsAreConcurrent(t *testing.T) {
	p := compile(t, steps(t, `
- dropFields: ["spec.template.spec.containers[*].resources"]
- setFields: {spec.replicas: 1}
- images: {from: docker.io, to: mirror.local}
- labels: {add: {a: b}}
- patch: [{op: copy, from: /spec/replicas, path: /spec/was}]
`))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			obj := map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "w"},
				"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
					"containers": []any{map[string]any{"image": "nginx"}},
				}}},
			}
			if err := p.Apply(obj); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNumbersKeepTheirValue(t *testing.T) {
	p := compile(t, steps(t, "- patch: [{op: add, path: /b, value: 2}]\n"))
	obj := map[string]any{"kind": "A", "big": int64(9007199254740993), "half": 0.5}
	if err := p.Apply(obj); err != nil {
		t.Fatal(err)
	}
	same(t, obj, map[string]any{"kind": "A", "big": int64(9007199254740993), "half": 0.5, "b": int64(2)})
}

// TestValuesOfAProgram has what a program that builds steps may put in.
func TestValuesOfAProgram(t *testing.T) {
	p := compile(t, []transform.Step{{SetFields: map[string]any{"a": 1, "b": []string{"x"}, "c": float32(0.5)}}})
	obj := map[string]any{}
	if err := p.Apply(obj); err != nil {
		t.Fatal(err)
	}
	same(t, obj, map[string]any{"a": int64(1), "b": []any{"x"}, "c": 0.5})
	if _, problems := transform.Compile([]transform.Step{{SetFields: map[string]any{"a": func() {}}}}); len(problems) != 1 {
		t.Errorf("a function is a value: %v", problems)
	}
}

func TestCopiesAreBounded(t *testing.T) {
	var ops []transform.Operation
	from := "/a"
	for range 40 {
		ops = append(ops, transform.Operation{Op: transform.OpCopy, From: &from, Path: "/a/-"})
	}
	p := compile(t, []transform.Step{{Patch: ops}})
	err := p.Apply(map[string]any{"kind": "A", "a": []any{"x"}})
	var e *transform.Error
	if !errors.As(err, &e) || e.Step != 0 || e.Kind != "patch" {
		t.Errorf("got %v", err)
	}
}

func TestStepsSurviveJSON(t *testing.T) {
	want := steps(t, `
- dropFields: [a]
- setFields: {b: {c: [1, x, true]}}
- images: {from: a.io, to: b.io}
- namespace: {from: a, to: b}
- annotations: {add: {a: b}, remove: [c]}
- labels: {remove: [c]}
- patch: [{op: add, path: /a, value: 1}, {op: move, from: /a, path: /b}]
`)
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []transform.Step
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != string(b) {
		t.Errorf("got  %s\nwant %s", again, b)
	}
	compile(t, got)
}
