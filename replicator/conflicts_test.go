package replicator_test

import (
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/transform"
)

// understood says why an edge could not carry out a rule, or "".
func understood(r conflict.Rule) string {
	return conflict.Decide(r, conflict.Case{
		Edge: conflict.Some([]byte(`{"x":1}`)), Source: conflict.Some([]byte(`{"x":2}`)), BaseKnown: true,
	}).Reason
}

// What a policy may say of conflicts, an edge can carry out: the two packages
// do not know each other.
func TestWhatPoliciesSayIsUnderstood(t *testing.T) {
	var rules []string
	for _, word := range filter.Conflict("").Values() {
		rules = append(rules, "- {prefix: /a/, conflict: "+word+"}")
	}
	for _, word := range filter.When("").Values() {
		rules = append(rules, "- {prefix: /a/, ignoreFields: [{paths: [a], when: "+word+"}]}")
	}
	for _, word := range filter.Preset("").Values() {
		rules = append(rules, "- {prefix: /a/, ignoreFields: [{preset: "+word+"}]}")
	}
	for _, text := range rules {
		if why := understood(ruleAt(t, rulesOf(t, text), []byte("/a/x"))); why != "" {
			t.Errorf("%s: %s", text, why)
		}
	}
}

// A path that a policy may have is one to an edge.
func FuzzPathsAreUnderstood(f *testing.F) {
	for _, path := range []string{
		"a", "a.b", "a[0]", "a[*]", "a[12].b", `a["b"]`, `a["b.c/d"][*]["e"].f`, "a-b_c:d", `["a b"].c`, "ä.ö", `a["\u00e4\""]`, "a[1000000]", "a[01]", "*", ".a",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		wrong, _ := transform.CheckPath(path)
		why := understood(conflict.Rule{Ignore: []conflict.Ignore{{Paths: []string{path}}}})
		if wrong == "" && why != "" {
			t.Errorf("a policy may have %q, and an edge says %s", path, why)
		}
	})
}
