package transform_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
)

// FuzzApply looks for steps and an object that panic, that change what the
// object is, or that come out otherwise the second time.
func FuzzApply(f *testing.F) {
	files, _ := filepath.Glob("testdata/apply/*.txtar")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		parts := txtar.Parse(b).Files
		f.Add("steps:\n"+string(parts[0].Data), string(parts[1].Data))
	}
	f.Fuzz(func(t *testing.T, stepText, objectText string) {
		var s struct {
			Steps []transform.Step `yaml:"steps"`
		}
		var in any
		if strictyaml.Decode("steps", []byte(stepText), &s) != nil || !readAny(objectText, &in) {
			return
		}
		obj, isMap := in.(map[string]any)
		for _, f := range transform.Fields(s.Steps) {
			if len(f.Names) == 0 {
				t.Fatalf("a field without a name: %v", f)
			}
		}
		p, problems := transform.Compile(s.Steps)
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("a program and problems: %v", problems)
		}
		if p == nil || !isMap {
			return
		}
		twin := copyOf(t, obj)
		before := copyOf(t, obj)
		err, again := p.Apply(obj), p.Apply(twin)
		if (err == nil) != (again == nil) {
			t.Fatalf("first %v, then %v", err, again)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(copyOf(t, obj), copyOf(t, twin)) {
			t.Fatalf("first %v, then %v", obj, twin)
		}
		if obj := copyOf(t, obj); !reflect.DeepEqual([]any{obj["kind"], obj["apiVersion"]}, []any{before["kind"], before["apiVersion"]}) {
			t.Fatalf("%v became %v", before, obj)
		}
	})
}

// readAny reads a document of any shape.
func readAny(text string, into *any) bool {
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, "object", []byte(text))
	if len(docs) == 0 {
		return false
	}
	*into = docs[0].Free()
	return r.Err() == nil
}

func copyOf(t *testing.T, obj map[string]any) map[string]any {
	t.Helper()
	b, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
