package filter

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/transform"
)

func TestRules(t *testing.T) {
	s := compiled(t, policyOf(
		Rule{Name: "z", Prefix: "/z/", Exclude: []string{"/z/b/", "/z/a/"}, To: to("/c/")},
		Rule{Prefix: "/a/"},
	))
	rules := s.Rules()
	if len(rules) != 2 || rules[0].Name != "z" || rules[1].Name != "rule-2" || len(rules[0].Delivered) != 3 {
		t.Fatalf("rules are %+v", rules)
	}
	for key, want := range map[string]int{
		"/c/": 0, "/c/a": 0, "/c/c": 0, "/a/x": 1,
		"/c/a/x": -1, "/c/b/": -1, "/z/c": -1, "/a": -1, "": -1, "\xff": -1,
	} {
		if got := RuleOf(rules, []byte(key)); got != want {
			t.Errorf("rule of %q is %d, want %d", key, got, want)
		}
	}
	rules[0].Name = "changed"
	if s.Rules()[0].Name != "z" {
		t.Error("a caller changed the selection")
	}
}

// The form in a reply is a promise to edges of other versions.
func TestRuleInfoTravels(t *testing.T) {
	rules := compiled(t, policyOf(Rule{Prefix: "\xff"}, Rule{Name: "a", Prefix: "/a/"})).Rules()
	raw, err := json.Marshal(rules)
	const want = `[{"name":"rule-1","delivered":[{"Lo":"/w==","Hi":null}],"guard":{"percent":20,"atLeast":10}},` +
		`{"name":"a","delivered":[{"Lo":"L2Ev","Hi":"L2Ew"}],"guard":{"percent":20,"atLeast":10}}]`
	if err != nil || string(raw) != want {
		t.Errorf("travels as %s, %v", raw, err)
	}
	var back []RuleInfo
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, rules) {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

// What a rule says of conflicts travels as package conflict reads it, presets
// written out.
func TestConflictTravels(t *testing.T) {
	p := policyOf(
		Rule{Prefix: "/a/", Conflict: Merge, IgnoreFields: []IgnoreFields{{Paths: []string{"a", "b[*].c"}}, {Paths: []string{"d"}, When: OnEdgeAdd}}},
		Rule{Prefix: "/b/", IgnoreFields: []IgnoreFields{{Preset: HPAReplicas}}},
		Rule{Prefix: "/c/", Conflict: SourceWins},
	)
	p.Spec.Defaults.Conflict = Hold
	raw, err := json.Marshal(compiled(t, p).Rules())
	const guard = `"guard":{"percent":20,"atLeast":10}`
	const want = `[{"name":"rule-1","delivered":[{"Lo":"L2Ev","Hi":"L2Ew"}],` + guard + `,"conflict":"merge",` +
		`"ignore":[{"paths":["a","b[*].c"],"when":"onEdgeChange"},{"paths":["d"],"when":"onEdgeAdd"}]},` +
		`{"name":"rule-2","delivered":[{"Lo":"L2Iv","Hi":"L2Iw"}],` + guard + `,"conflict":"hold",` +
		`"ignore":[{"paths":["spec.replicas"],"when":"onEdgePresent"}]},` +
		`{"name":"rule-3","delivered":[{"Lo":"L2Mv","Hi":"L2Mw"}],` + guard + `}]`
	if err != nil || string(raw) != want {
		t.Errorf("travels as %s, %v", raw, err)
	}
}

// Every preset has paths that can be read, and resources that exist.
func TestPresets(t *testing.T) {
	for _, name := range Preset("").Values() {
		known, ok := presets[Preset(name)]
		if !ok || len(known.Paths) == 0 || known.When == "" || len(known.of) == 0 {
			t.Fatalf("preset %s is %+v", name, known)
		}
		for _, path := range known.Paths {
			if message, _ := transform.CheckPath(path); message != "" {
				t.Errorf("preset %s: %s", name, message)
			}
		}
		for _, word := range known.of {
			if res, ok := object.Lookup(word); !ok || res.Custom {
				t.Errorf("preset %s: there is no %s", name, word)
			}
		}
	}
}

// A delivered key belongs to the rule that delivered it, and no other key to
// any.
func TestRuleOfIsTheRuleThatDelivers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		key := genKey(p).Draw(t, "key")
		s := compiled(t, p)
		rules := s.Rules()
		if got := RuleOf(rules, key); (got >= 0) != s.Contains(key) {
			t.Fatalf("rule of %q is %d, delivered: %t", key, got, s.Contains(key))
		}
		delivered, ok := mapSlowly(p, key)
		if !ok {
			return
		}
		rule := RuleOf(rules, delivered)
		if rule < 0 || !bytes.HasPrefix(key, []byte(p.Spec.Rules[rule].Prefix)) || rules[rule].Name != p.ruleName(rule) {
			t.Fatalf("%q, delivered as %q, belongs to rule %d", key, delivered, rule)
		}
	})
}
