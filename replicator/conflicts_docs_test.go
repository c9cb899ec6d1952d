package replicator_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// TestConflictsReference runs the examples of docs/conflicts.md: a rule, three
// values, and what becomes of them. The words behind becomes are the type, or
// "no conflict", and the fields that both changed or that were kept.
func TestConflictsReference(t *testing.T) {
	text, err := os.ReadFile("../docs/conflicts.md")
	if err != nil {
		t.Fatal(err)
	}
	e := conflictExample{t: t}
	for _, part := range strings.Split(string(text), "\n```yaml ")[1:] {
		head, rest, _ := strings.Cut(part, "\n")
		body, _, closed := strings.Cut(rest, "\n```\n")
		if !closed {
			t.Fatalf("%s: the block has no end", head)
		}
		word, more, _ := strings.Cut(head, " ")
		e.run(word, more, body)
	}
	if e.ran < 4 {
		t.Errorf("only %d examples", e.ran)
	}
}

type conflictExample struct {
	t     *testing.T
	rules []filter.RuleInfo
	c     conflict.Case
	ran   int
}

func (e *conflictExample) run(word, more, body string) {
	switch word {
	case "rule":
		e.rules = rulesOf(e.t, body)
	case "base":
		e.c = conflict.Case{Key: []byte(more), Base: conflict.Some(asJSON(e.t, body)), BaseKnown: true}
	case "edge":
		e.c.Edge = conflict.Some(asJSON(e.t, body))
	case "source":
		e.c.Source = conflict.Some(asJSON(e.t, body))
	case "becomes":
		e.ran++
		d := conflict.Decide(ruleAt(e.t, e.rules, e.c.Key), e.c)
		if got := told(d); got != more || !bytes.Equal(d.Write.Bytes, asJSON(e.t, body)) {
			e.t.Errorf("%s: got %s\n%s", e.c.Key, got, d.Write.Bytes)
		}
	default:
		e.t.Errorf("what is %q?", word)
	}
}

func told(d conflict.Decision) string {
	out := string(d.Type)
	if !d.Type.Conflict() {
		out = "no conflict"
	}
	if len(d.Fields) > 0 {
		out += ", both: " + strings.Join(d.Fields, ", ")
	}
	if len(d.Kept) > 0 {
		out += ", kept: " + strings.Join(d.Kept, ", ")
	}
	return out
}

func rulesOf(t *testing.T, rules string) []filter.RuleInfo {
	t.Helper()
	text := "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules:\n    " + strings.ReplaceAll(rules, "\n", "\n    ") + "\n"
	var r strictyaml.Report
	policies := filter.Parse(&r, "policy", []byte(text), filter.DefaultCluster)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := filter.Compile(policies[0], filter.DefaultCluster)
	if err != nil {
		t.Fatal(err)
	}
	return s.Rules()
}

// ruleAt is the rule of a key as it travels: what a policy says of conflicts is
// read by package conflict, which does not know policies.
func ruleAt(t *testing.T, rules []filter.RuleInfo, key []byte) (out conflict.Rule) {
	t.Helper()
	i := filter.RuleOf(rules, key)
	if i < 0 {
		t.Fatalf("no rule is about %s", key)
	}
	text, err := json.Marshal(rules[i])
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func asJSON(t *testing.T, text string) []byte {
	t.Helper()
	var r strictyaml.Report
	out, err := json.Marshal(strictyaml.Parse(&r, "docs/conflicts.md", []byte(text))[0].Free())
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
