package filter

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

var update = flag.Bool("update", false, "write the golden files")

func TestLoad(t *testing.T) {
	got, err := Load("testdata/flags.yaml", DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name() != "flags" || got[1].Name() != "rest" {
		t.Fatalf("got %d policies", len(got))
	}
	for source, want := range map[string]string{
		"/flags/a":         "/edge/flags/a",
		"/flags/":          "/edge/flags/",
		"/flags/private/a": "",
		"/limits/x":        "/limits/x",
		"/other":           "",
	} {
		if to, _ := got[0].Map([]byte(source)); string(to) != want {
			t.Errorf("%s is delivered as %q, want %q", source, to, want)
		}
	}
	rules := got[0].Rules()
	if len(rules) != 2 || rules[0].Guard != (Guard{Percent: 50, AtLeast: DefaultGuardAtLeast}) || !rules[1].Guard.isDefault() {
		t.Errorf("rules are %+v", rules)
	}
	if r, shared := got[0].Overlap(got[1]); !shared || string(r.Lo) != "/edge/flags/" {
		t.Errorf("overlap is %v, %t", r, shared)
	}
}

// TestGolden compares the whole error text of each bad policy.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file, DefaultCluster)
			if fault.ExitCode(err) != int(fault.Usage) {
				t.Fatalf("exit code %d for %v", fault.ExitCode(err), err)
			}
			compare(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; run with -update to accept\n--- want\n%s--- got\n%s", golden, want, got)
	}
}

func TestLoadOfAMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), DefaultCluster)
	if !errors.Is(err, fs.ErrNotExist) || fault.ExitCode(err) != int(fault.Usage) || fault.Try(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestCompileOfABuiltPolicy(t *testing.T) {
	_, err := Compile(policyOf(Rule{Prefix: "/a"}, Rule{Prefix: "/a/b", Exclude: []string{"/c"}}), DefaultCluster)
	const want = `policy "p": spec.rules[1].prefix: rule "rule-2" never decides anything: rule "rule-1" takes all that it is about first; put the narrower rule first`
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "spec.rules[1].exclude[0]") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse looks for a policy file that panics, that is refused without a
// place, or that is accepted and then cannot be compiled.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range append(seeds, "testdata/flags.yaml") {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(shopPolicy))
	f.Add([]byte(edgePolicy))
	for _, m := range mistakes {
		f.Add([]byte("apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  " + m.spec + "\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r strictyaml.Report
		policies := Parse(&r, "fuzz.yaml", data, DefaultCluster)
		CheckDistinct(policies)
		var errs *strictyaml.Errors
		if errors.As(r.Err(), &errs) {
			for _, p := range errs.Problems {
				if p.Line < 1 || p.Column < 1 {
					t.Fatalf("a problem without a place: %v", p)
				}
			}
			return
		}
		for _, p := range policies {
			edge, _ := sample("edge.name")
			if p, err := p.Fill(Edge{Name: edge}); err == nil { // it may want labels
				checkSelection(t, compiled(t, p), p)
			}
		}
	})
}

// checkSelection maps the keys at the start of each range there and back.
func checkSelection(t *testing.T, s *Selection, p Policy) {
	for _, r := range p.Spec.Rules {
		key := []byte(r.Prefix + "x")
		to, ok := s.Map(key)
		want, wantOK := mapSlowly(p, key)
		if onlyKeys(p) && (ok != wantOK || string(to) != string(want)) {
			t.Fatalf("%q is delivered as %q, want %q", key, to, want)
		}
		if back, _ := s.Unmap(to); ok && string(back) != string(key) {
			t.Fatalf("%q comes back as %q", key, back)
		}
	}
	for _, r := range s.UnmapRange(change.Range{}) {
		key := append(slices.Clone(r.Source.Lo), 'x')
		if !r.Source.Contains(key) {
			continue
		}
		for _, place := range s.Places(key) {
			if back, ok := s.Unmap(place); !ok || string(back) != string(key) {
				t.Fatalf("%q has the place %q, and that comes back as %q", key, place, back)
			}
		}
		if o, e := s.Take(key, []byte("{}")), s.Explain(key, []byte("{}")); o.Verdict == Outside || e.Verdict != verdictWords[o.Verdict] {
			t.Fatalf("%q is taken as %+v and explained as %+v", key, o, e)
		}
	}
}

func onlyKeys(p Policy) bool { return !slices.ContainsFunc(p.Spec.Rules, Rule.ofObjects) }

// parsedPolicy is the one policy of a text without mistakes.
func parsedPolicy(t *testing.T, text string) Policy {
	t.Helper()
	var r strictyaml.Report
	policies := Parse(&r, "test.yaml", []byte(text), DefaultCluster)
	if err := r.Err(); err != nil || len(policies) != 1 {
		t.Fatalf("%d policies: %v", len(policies), err)
	}
	return policies[0]
}
