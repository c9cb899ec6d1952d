package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/schema"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

var update = flag.Bool("update", false, "write policy.json")

func TestPolicyIsUpToDate(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(generate(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("policy.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(schema.Policy(), want.Bytes()) {
		t.Error("policy.json is older than the structs of package filter; go generate ./filter/schema")
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.Policy()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGoodPolicies has policies that both the schema and syncer accept.
func TestGoodPolicies(t *testing.T) {
	s := compiled(t)
	for name, text := range policies(t, "testdata/good.txtar") {
		var r strictyaml.Report
		filter.Parse(&r, name, []byte(text), filter.DefaultCluster)
		if err := r.Err(); err != nil {
			t.Errorf("%s: syncer refuses it: %v", name, err)
		}
		if err := s.Validate(plain(t, text)); err != nil {
			t.Errorf("%s: the schema refuses it: %v", name, err)
		}
	}
}

// TestBadPolicies has policies that both refuse.
func TestBadPolicies(t *testing.T) {
	s := compiled(t)
	for name, text := range policies(t, "testdata/bad.txtar") {
		var r strictyaml.Report
		filter.Parse(&r, name, []byte(text), filter.DefaultCluster)
		if r.Err() == nil {
			t.Errorf("%s: syncer accepts it", name)
		}
		if s.Validate(plain(t, text)) == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

// policies are those of an archive, each within the frame that all share.
func policies(t *testing.T, archive string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.FromSlash(archive))
	if err != nil || len(a.Files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	out := map[string]string{}
	for _, f := range a.Files {
		text := string(f.Data)
		if !strings.Contains(text, "apiVersion:") {
			text = "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: store}\nspec:\n  rules:\n    - " +
				strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ") + "\n"
		}
		out[f.Name] = text
	}
	return out
}

// plain is a document as an editor sees it.
func plain(t *testing.T, text string) any {
	t.Helper()
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, "policy", []byte(text))
	if len(docs) != 1 {
		t.Fatal(r.Err())
	}
	v := docs[0].Free()
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		t.Fatal(err, r.Err())
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
