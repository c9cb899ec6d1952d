package conflict

import (
	"bytes"
	"testing"
)

func FuzzDecide(f *testing.F) {
	f.Add("merge", "a", "onEdgeChange", []byte(`{"a":1}`), []byte(`{"a":2}`), []byte(`{"a":3}`), byte(15))
	f.Add("source-wins", `metadata.annotations["a/b"]`, "onEdgePresent", []byte(`{}`), []byte(`{"metadata":{"annotations":{"a/b":"1"}}}`), []byte(`{"x":null}`), byte(15))
	f.Add("hold", "l[*].n", "onEdgeAdd", []byte(`{"l":[]}`), []byte(`{"l":[{"name":"a","n":1}]}`), []byte(`[1]`), byte(14))
	f.Add("edge-wins", "", "", []byte("\xff"), []byte(""), []byte(`{"a":"\ud800"}`), byte(7))
	f.Add("newest", "a[0", "never", []byte(`{"apiVersion":"v1","kind":"Service"}`), []byte(`{`), []byte(`{"a":1,"a":2}`), byte(15))
	f.Fuzz(func(t *testing.T, policy, path, when string, base, edge, source []byte, is byte) {
		value := func(b []byte, bit byte) Value {
			if is&bit == 0 {
				return none
			}
			return Some(b)
		}
		c := Case{Key: []byte("/a"), Base: value(base, 1), Edge: value(edge, 2), Source: value(source, 4), BaseKnown: is&8 != 0}
		r := Rule{Policy: Policy(policy)}
		if path != "" {
			r.Ignore = []Ignore{{[]string{path}, When(when)}}
		}
		if _, err := r.compile(); err != nil {
			if d := Decide(r, c); d.Outcome != Hold {
				t.Fatalf("%v, but %+v", err, d)
			}
			return
		}
		checkDecision(t, r, c)
	})
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":2}`), []byte(`{"a":3}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":53}]}}`),
		[]byte(`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":53,"nodePort":1}]}}`),
		[]byte(`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":53,"protocol":"UDP"}]}}`))
	f.Add([]byte(ofPod(`"volumes":[{"name":"v","emptyDir":{}}]`)), []byte(ofPod(`"volumes":[{"name":"w"},{"name":"v"}]`)), []byte(ofPod(`"volumes":null`)))
	f.Fuzz(func(t *testing.T, b, e, s []byte) {
		base, errB := readObject(Some(b))
		edge, errE := readObject(Some(e))
		source, errS := readObject(Some(s))
		if errB != nil || errE != nil || errS != nil {
			return
		}
		merged, _ := merge(base, edge, source)
		read, err := readObject(Some(canonical(merged)))
		if err != nil || !bytes.Equal(canonical(read), canonical(merged)) {
			t.Fatalf("%s cannot be read again: %v", canonical(merged), err)
		}
		if again, _ := merge(base, merged, source); !equal(again, merged) {
			t.Fatalf("not idempotent: %s, %s", canonical(merged), canonical(again))
		}
		if got, fields := merge(base, edge, base); !equal(got, edge) || fields != nil {
			t.Fatalf("the source changed nothing, got %s", canonical(got))
		}
		if got, fields := merge(base, base, source); !equal(got, source) || fields != nil {
			t.Fatalf("the edge changed nothing, got %s", canonical(got))
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "a.b[0]", "a[*].b", `a["b.c"]`, "[0]", ".a", "a..b", "a[", `a["`, "a[01]", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := parsePath(s)
		if err != nil {
			return
		}
		if len(path) == 0 || path[0].name == "" {
			t.Fatalf("%q leads nowhere", s)
		}
		for _, p := range path {
			if p.name == "" && p.index < everyEntry {
				t.Fatalf("%q has the place %d", s, p.index)
			}
		}
	})
}
