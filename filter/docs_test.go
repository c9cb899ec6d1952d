package filter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

const reference = "../docs/policy.md"

// TestReference runs the examples of docs/policy.md. The first words of a
// fenced block say what it is:
//
//	yaml policy                 a policy, or its rules alone
//	yaml in [KEY] [EDGE k=v]    an object of the source; EDGE fills the policy in
//	text in KEY                 the value of a key
//	yaml out KEY, text out KEY  what the policy delivers, and where
//	text left, text refused, text outside: why it does not cross
//	text conflict               who wins when an edge changes it, and its fields
//	text immutable              what becomes of a change that cannot be made in place
//	text guard                  how many deletes the first rule lets pass
//	text problems               what is wrong with the policy, which is sound otherwise
//	yaml file NAME, console     what the tests of the command line run
//	yaml edge, arrives, text accepted, parked: those of the importer
//
// Every yaml block must be one of them.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	e := example{t: t}
	blocks := fences(string(text))
	for i, b := range blocks {
		e.refused = i+1 < len(blocks) && slices.Contains(blocks[i+1].info, "problems")
		e.run(b)
	}
	if e.ran < 20 {
		t.Errorf("only %d examples", e.ran)
	}
}

// fence is one fenced block.
type fence struct {
	line int
	info []string
	text string
}

// TestReferenceNamesWhatTheStarSelects compares the list with the table of
// resources.
func TestReferenceNamesWhatTheStarSelects(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- allowed -->\n")
	got, _, _ := strings.Cut(rest, "\n<!-- end -->")
	var want []string
	for _, r := range object.Resources() {
		if r.Class == object.Allow {
			want = append(want, r.Word)
		}
	}
	if got != strings.Join(want, ", ") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, ", "))
	}
}

func fences(text string) []fence {
	var out []fence
	inside := false
	for i, line := range strings.Split(text, "\n") {
		switch info, is := strings.CutPrefix(line, "```"); {
		case is && !inside:
			out = append(out, fence{line: i + 1, info: strings.Fields(info)})
			inside = true
		case is:
			inside = false
		case inside:
			out[len(out)-1].text += line + "\n"
		}
	}
	return out
}

// example is the state that blocks build up.
type example struct {
	t          *testing.T
	policy     string
	refused    bool // the next block says why
	key, value []byte
	edge       filter.Edge
	ran        int
}

func (e *example) run(b fence) {
	if len(b.info) < 2 {
		if len(b.info) == 1 && b.info[0] == "yaml" {
			e.t.Errorf("%s:%d: a yaml block that nothing checks", reference, b.line)
		}
		return
	}
	e.t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) {
		switch rest := b.info[2:]; b.info[1] {
		case "policy":
			if e.policy = whole(b.text); !e.refused {
				e.parsed(t)
			}
		case "in":
			e.take(t, b, rest)
		case "out":
			e.ran++
			e.delivers(t, b, strings.Join(rest, " "))
		case "left", "refused", "outside":
			e.ran++
			e.staysBehind(t, b)
		case "conflict":
			e.ran++
			e.wins(t, b)
		case "immutable":
			e.ran++
			e.changes(t, b)
		case "guard":
			e.ran++
			e.guards(t, b)
		case "file", "edge", "arrives", "accepted", "parked":
		case "problems":
			e.ran++
			e.isRefused(t, b.text)
		default:
			t.Errorf("what is %q?", b.info)
		}
	})
}

// whole is a policy around rules that stand alone.
func whole(text string) string {
	if strings.HasPrefix(text, "- ") {
		text = "spec:\n  rules:\n    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	}
	if strings.HasPrefix(text, "spec:") {
		text = "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: store}\n" + text
	}
	return text
}

func (e *example) take(t *testing.T, b fence, rest []string) {
	t.Helper()
	e.edge = filter.Edge{}
	name := ""
	if len(rest) > 0 && strings.Contains(rest[0], "/") {
		name, rest = rest[0], rest[1:]
	}
	for i, word := range rest {
		key, value, isLabel := strings.Cut(word, "=")
		switch {
		case i == 0:
			e.edge = filter.Edge{Name: word, Labels: map[string]string{}}
		case isLabel:
			e.edge.Labels[key] = value
		default:
			t.Fatalf("what is %q?", word)
		}
	}
	text := b.text
	if b.info[0] == "text" {
		text = strings.TrimSuffix(text, "\n")
	}
	var err error
	if e.key, e.value, err = manifest.Stored(reference, []byte(text), name, filter.DefaultCluster.Prefix); err != nil {
		t.Fatal(err)
	}
}

func (e *example) outcome(t *testing.T) filter.Outcome {
	t.Helper()
	return e.selection(t).Take(e.key, e.value)
}

func (e *example) wins(t *testing.T, b fence) {
	t.Helper()
	x := e.selection(t).Explain(e.key, e.value)
	got := string(x.Conflict) + "\n"
	for _, i := range x.Ignore {
		got += fmt.Sprintf("%s: %s\n", i.When, strings.Join(i.Paths, ", "))
	}
	if got != b.text {
		t.Errorf("got\n%s", got)
	}
}

func (e *example) changes(t *testing.T, b fence) {
	t.Helper()
	s := e.selection(t)
	got := filter.HoldImmutable
	if rules := s.Rules(); rules[filter.RuleOf(rules, s.Take(e.key, e.value).Key)].Recreate {
		got = filter.RecreateImmutable
	}
	if string(got) != strings.TrimSpace(b.text) {
		t.Errorf("got %s", got)
	}
}

func (e *example) guards(t *testing.T, b fence) {
	t.Helper()
	guard := e.selection(t).Rules()[0].Guard
	for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
		var deletes, held uint64
		var want string
		if _, err := fmt.Sscanf(line, "%d of %d: %s", &deletes, &held, &want); err != nil {
			t.Fatal(err)
		}
		if got := map[bool]string{true: "waits", false: "passes"}[guard.Stops(deletes, held)]; got != want {
			t.Errorf("%s: it %s", line, got)
		}
	}
}

func (e *example) parsed(t *testing.T) filter.Policy {
	t.Helper()
	var r strictyaml.Report
	policies := filter.Parse(&r, "policy", []byte(e.policy), filter.DefaultCluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return policies[0]
}

func (e *example) selection(t *testing.T) *filter.Selection {
	t.Helper()
	filled, err := e.parsed(t).Fill(e.edge)
	if err != nil {
		t.Fatal(err)
	}
	s, err := filter.Compile(filled, filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (e *example) delivers(t *testing.T, b fence, key string) {
	t.Helper()
	o := e.outcome(t)
	if o.Verdict != filter.Selected || string(o.Key) != key {
		t.Fatalf("verdict %d, key %s, reason %s", o.Verdict, o.Key, o.Reason)
	}
	if b.info[0] == "text" {
		if got := string(o.Value) + "\n"; got != b.text {
			t.Errorf("got\n%s", got)
		}
		return
	}
	var r strictyaml.Report
	want, err := json.Marshal(strictyaml.Parse(&r, reference, []byte(b.text))[0].Free())
	if err := errors.Join(err, r.Err()); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(o.Value, &got); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(got); err != nil || !bytes.Equal(again, want) {
		text, _ := yaml.Marshal(got)
		t.Errorf("got\n%s", text)
	}
}

func (e *example) staysBehind(t *testing.T, b fence) {
	t.Helper()
	want := map[string]filter.Verdict{"left": filter.Left, "refused": filter.Refused, "outside": filter.Outside}[b.info[1]]
	o := e.outcome(t)
	if o.Orphan {
		o.Reason += "; edges keep it"
	}
	if o.Verdict != want || o.Reason != strings.TrimSpace(b.text) {
		t.Errorf("verdict %d, reason %s", o.Verdict, o.Reason)
	}
}

func (e *example) isRefused(t *testing.T, want string) {
	t.Helper()
	var r strictyaml.Report
	filter.Parse(&r, "store.yaml", []byte(e.policy), filter.DefaultCluster)
	if err := r.Err(); err == nil || err.Error()+"\n" != want {
		t.Errorf("got\n%v", err)
	}
}
