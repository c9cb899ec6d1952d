package filter

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func policyOf(rules ...Rule) Policy {
	return Policy{APIVersion: APIVersion, Kind: KindPolicy, Metadata: Metadata{Name: "p"}, Spec: Spec{Rules: rules}}
}

func to(prefix string) *string { return &prefix }

// TestDigestIsFrozen fails when the way the digest is computed changes: edges
// compare it with one that an older version wrote.
func TestDigestIsFrozen(t *testing.T) {
	s := compiled(t, policyOf(
		Rule{Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: to("/edge/flags/")},
		Rule{Prefix: "/limits/"},
	))
	const want = "ce2b563cee10f1f090cab41f2700f52c"
	if s.Digest() != want {
		t.Errorf("digest %s, want %s", s.Digest(), want)
	}
}

func TestDigestSeesTheMappingOnly(t *testing.T) {
	flags := Rule{Name: "flags", Prefix: "/flags/", Exclude: []string{"/flags/a/", "/flags/b/"}}
	for name, same := range map[string][2]Policy{
		"rule names":          {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: flags.Exclude})},
		"order of rules":      {policyOf(flags, Rule{Prefix: "/x"}), policyOf(Rule{Prefix: "/x"}, flags)},
		"order of excludes":   {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: []string{"/flags/b/", "/flags/a/"}})},
		"nested excludes":     {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: append(slices.Clone(flags.Exclude), "/flags/a/x")})},
		"explicit target":     {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: flags.Exclude, To: to("/flags/")})},
		"explicit own prefix": {policyOf(Rule{AllowSecrets: true}), policyOf(Rule{AllowSecrets: true, Exclude: []string{OwnPrefix}})},
		"policy names":        {policyOf(flags), {APIVersion: APIVersion, Kind: KindPolicy, Metadata: Metadata{Name: "other"}, Spec: Spec{Rules: []Rule{flags}}}},
		"explicit guards":     {policyOf(flags), policyOf(guarded(flags, DefaultGuardPercent, DefaultGuardAtLeast))},
		"explicit winners":    {policyOf(flags), policyOf(deciding(flags, SourceWins))},
		"explicit conditions": {policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}})), policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}, When: OnEdgeChange}))},
		"presets written out": {policyOf(deciding(flags, "", IgnoreFields{Preset: HPAReplicas})), policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"spec.replicas"}, When: OnEdgePresent}))},
		"order of guarded rules": {
			policyOf(guarded(flags, 1, 1), guarded(Rule{Prefix: "/x"}, 2, 2)),
			policyOf(guarded(Rule{Prefix: "/x"}, 2, 2), guarded(flags, 1, 1)),
		},
		"keys outside a mapping": {policyOf(Rule{Prefix: "/", AllowSecrets: true, To: to("/t/")}), policyOf(Rule{Prefix: "/", AllowSecrets: true, To: to("/t/"), Exclude: []string{OwnPrefix}})},
	} {
		if compiled(t, same[0]).Digest() != compiled(t, same[1]).Digest() {
			t.Errorf("%s change the digest", name)
		}
	}
	for name, differ := range map[string][2]Policy{
		"another percent":      {policyOf(flags), policyOf(guarded(flags, 21, 10))},
		"another atLeast":      {policyOf(flags), policyOf(guarded(flags, 20, 11))},
		"swapped guard fields": {policyOf(guarded(flags, 10, 20)), policyOf(guarded(flags, 20, 10))},
		"a guard of the other rule": {
			policyOf(guarded(flags, 1, 1), Rule{Prefix: "/x"}),
			policyOf(flags, guarded(Rule{Prefix: "/x"}, 1, 1)),
		},
		"a guard over two rules": {
			policyOf(guarded(Rule{Prefix: "a"}, 1, 1), guarded(Rule{Prefix: "b"}, 1, 1)),
			policyOf(guarded(Rule{AllowSecrets: true}, 1, 1)),
		},
		"another winner":            {policyOf(deciding(flags, Hold)), policyOf(deciding(flags, Merge))},
		"another winner by default": {policyOf(flags), conflictByDefault(policyOf(flags), EdgeWins)},
		"another winner of objects": {policyOf(Rule{Resources: []string{"configmaps"}}), policyOf(Rule{Resources: []string{"configmaps"}, Conflict: Hold})},
		"an ignored field":          {policyOf(flags), policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}}))},
		"another ignored field": {
			policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}})),
			policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}, When: OnEdgePresent})),
		},
		"ignored fields of another entry": {
			policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a", "b"}})),
			policyOf(deciding(flags, "", IgnoreFields{Paths: []string{"a"}}, IgnoreFields{Paths: []string{"b"}})),
		},
		"another prefix":  {policyOf(flags), policyOf(Rule{Prefix: "/flags"})},
		"another target":  {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: flags.Exclude, To: to("/f/")})},
		"another exclude": {policyOf(flags), policyOf(Rule{Prefix: "/flags/", Exclude: []string{"/flags/a/"}})},
		"swapped targets": {
			policyOf(Rule{Prefix: "/a/"}, Rule{Prefix: "/b/"}),
			policyOf(Rule{Prefix: "/a/", To: to("/b/")}, Rule{Prefix: "/b/", To: to("/a/")}),
		},
	} {
		if compiled(t, differ[0]).Digest() == compiled(t, differ[1]).Digest() {
			t.Errorf("%s keeps the digest", name)
		}
	}
}

func guarded(r Rule, percent, atLeast int) Rule {
	r.MaxDeletePercent, r.MinDeletes = &percent, &atLeast
	return r
}

func deciding(r Rule, c Conflict, ignored ...IgnoreFields) Rule {
	r.Conflict, r.IgnoreFields = c, ignored
	return r
}

func conflictByDefault(p Policy, c Conflict) Policy {
	p.Spec.Defaults.Conflict = c
	return p
}

// TestDecidingDigestIsFrozen is the same for rules that decide conflicts.
func TestDecidingDigestIsFrozen(t *testing.T) {
	s := compiled(t, policyOf(
		deciding(Rule{Prefix: "/flags/"}, Merge, IgnoreFields{Paths: []string{"a", "b"}}),
		Rule{Prefix: "/limits/"},
	))
	const want = "7edfbe2a06bd18eaa7a55081bf6204e6"
	if s.Digest() != want {
		t.Errorf("digest %s, want %s", s.Digest(), want)
	}
}

// The digest of rules about objects that say nothing of conflicts is that of
// versions that knew of none.
func TestDigestOfObjectsIsFrozen(t *testing.T) {
	const want = "493a0a84c1df1bc77768e7f72b2b2f9f"
	if s := compiled(t, policyOf(Rule{Resources: []string{"configmaps"}})); s.Digest() != want {
		t.Errorf("digest %s, want %s", s.Digest(), want)
	}
}

// TestGuardedDigestIsFrozen is the same for guards that are not the default.
func TestGuardedDigestIsFrozen(t *testing.T) {
	s := compiled(t, policyOf(
		guarded(Rule{Prefix: "/flags/", Exclude: []string{"/flags/private/"}, To: to("/edge/flags/")}, 50, 100),
		Rule{Prefix: "/limits/"},
	))
	const want = "26d079d7b4d34b473a7db5a94147ca6d"
	if s.Digest() != want {
		t.Errorf("digest %s, want %s", s.Digest(), want)
	}
}

// TestDigestOfAdjacentRules compares one rule with two that split it.
func TestDigestOfAdjacentRules(t *testing.T) {
	whole := compiled(t, policyOf(Rule{Prefix: "a"}, Rule{Prefix: "b"}))
	moved := compiled(t, policyOf(Rule{Prefix: "a", To: to("xa")}, Rule{Prefix: "b", To: to("xb")}))
	if n := len(whole.SourceRanges()); n != 1 {
		t.Errorf("%d source ranges for adjacent prefixes", n)
	}
	if whole.Digest() == moved.Digest() {
		t.Error("a moved mapping keeps the digest")
	}
	if n := len(stretches(sourceRanges(moved))); n != 1 {
		t.Errorf("%d stretches for one mapping", n)
	}
}

// TestDigestsDifferWhenAKeyMapsDifferently is the other half of "if and only
// if", on random pairs of policies.
func TestDigestsDifferWhenAKeyMapsDifferently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := genPolicy().Draw(t, "p"), genPolicy().Draw(t, "q")
		a, b := compiled(t, p), compiled(t, q)
		key := genKey(p).Draw(t, "key")
		toA, okA := a.Map(key)
		toB, okB := b.Map(key)
		if (okA != okB || string(toA) != string(toB)) && a.Digest() == b.Digest() {
			t.Fatalf("%q maps to %q and %q under one digest", key, toA, toB)
		}
	})
}

// The order of rules says something only where one prefix holds another.
func TestDigestIgnoresOrderAndNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy().Draw(t, "policy")
		q := p
		q.Spec.Rules = slices.Clone(p.Spec.Rules)
		if !nested(p) {
			q.Spec.Rules = rapid.Permutation(p.Spec.Rules).Draw(t, "order")
		}
		for i, r := range q.Spec.Rules {
			q.Spec.Rules[i].Name = "renamed-" + strconv.Itoa(i)
			q.Spec.Rules[i].Exclude = rapid.Permutation(r.Exclude).Draw(t, "excludes")
		}
		if compiled(t, p).Digest() != compiled(t, q).Digest() {
			t.Fatal("the order changes the digest")
		}
	})
}

func nested(p Policy) bool {
	for i, a := range p.Spec.Rules {
		for j, b := range p.Spec.Rules {
			if i != j && strings.HasPrefix(a.Prefix, b.Prefix) {
				return true
			}
		}
	}
	return false
}
