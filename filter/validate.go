package filter

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// NamePattern is what names of sources, edges and policies look like. They
// become parts of hub subjects, consumer names and etcd keys.
const NamePattern = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`

var namePattern = regexp.MustCompile(NamePattern)

// ValidName reports whether s can name a source, an edge or a policy.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// Validate refuses a policy that cannot be mapped one to one, with every
// problem it has, as a fault.Usage error. Problems carry their place in the
// file when the policy was loaded from one.
func (p Policy) Validate() error {
	var r strictyaml.Report
	p.validate(p.place(&r))
	return r.Err()
}

// place is where problems of the policy go: its file, or its name when it was
// built by a program.
func (p Policy) place(r *strictyaml.Report) *strictyaml.Document {
	if p.doc == nil {
		return strictyaml.Unplaced(r, fmt.Sprintf("policy %q", p.Name))
	}
	return p.doc.For(r)
}

// validate attaches every problem of the policy to doc.
func (p Policy) validate(doc *strictyaml.Document) {
	if p.APIVersion != APIVersion {
		doc.At("apiVersion").Hint("use %s", APIVersion).Problemf("unknown apiVersion %q", p.APIVersion)
	}
	if p.Kind != KindPolicy {
		doc.At("kind").Hint("use %s", KindPolicy).Problemf("unknown kind %q for a policy", p.Kind)
	}
	if !ValidName(p.Name) {
		doc.At("name").
			Hint("use lower-case letters, digits and inner hyphens, at most 63").
			Problemf("%q cannot be the name of a policy", p.Name)
	}
	if len(p.Rules) == 0 {
		doc.At("rules").Hint("add a rule with a prefix").Problemf("the policy has no rules, so nothing crosses")
	}
	for i := range p.Rules {
		p.validateRule(doc, i)
	}
	p.validatePairs(doc)
}

func (p Policy) validateRule(doc *strictyaml.Document, i int) {
	r := p.Rules[i]
	r.validateGuard(doc, i)
	if !doc.Sound("rules", i, "prefix") || !doc.Sound("rules", i, "targetPrefix") {
		return
	}
	for j, e := range r.Exclude {
		if !strings.HasPrefix(e, r.Prefix) {
			doc.At("rules", i, "exclude", j).
				Hint("an exclude starts with the prefix of its rule").
				Problemf("%q is not inside the prefix %q of rule %q", e, r.Prefix, p.ruleName(i))
		}
	}
	switch {
	case strings.HasPrefix(r.Prefix, OwnPrefix):
		doc.At("rules", i, "prefix").Hint("choose another prefix").
			Problemf("%s is syncer's own and never crosses", OwnPrefix)
	case strings.HasPrefix(r.target(), OwnPrefix):
		doc.At("rules", i, "targetPrefix").Hint("choose another prefix").
			Problemf("%s is syncer's own; nothing can be delivered there", OwnPrefix)
	case doc.Sound("rules", i) && len(r.ranges("")) == 0:
		doc.At("rules", i).Hint("remove the rule or an exclude").
			Problemf("rule %q selects nothing: its excludes cover all of it", p.ruleName(i))
	}
}

func (r Rule) validateGuard(doc *strictyaml.Document, i int) {
	if n := r.Guard.Percent; n != nil && (*n < 0 || *n > 100) {
		doc.At("rules", i, "guard", "percent").Hint("use 0 to 100; 100 lets every delete pass").
			Problemf("a guard of %d percent", *n)
	}
	if n := r.Guard.AtLeast; n != nil && *n < 1 {
		doc.At("rules", i, "guard", "atLeast").Hint("use 1 or more; 1 has percent decide alone").
			Problemf("a guard of at least %d deletes", *n)
	}
}

// validatePairs refuses rules that would give one key two places.
func (p Policy) validatePairs(doc *strictyaml.Document) {
	for second := range p.Rules {
		for first := range second {
			p.validateNames(doc, first, second)
			p.validateOverlap(doc, first, second)
		}
	}
}

func (p Policy) validateNames(doc *strictyaml.Document, first, second int) {
	if name := p.ruleName(second); name == p.ruleName(first) {
		doc.At("rules", second, "name").Hint("give each rule a name of its own").
			Problemf("rule %q is already defined%s", name, lineOf(doc, first, "name"))
	}
}

func (p Policy) validateOverlap(doc *strictyaml.Document, first, second int) {
	for _, i := range []int{first, second} {
		if !doc.Sound("rules", i, "prefix") || !doc.Sound("rules", i, "targetPrefix") {
			return
		}
	}
	a, b := p.Rules[first], p.Rules[second]
	switch {
	case overlap(a.Prefix, b.Prefix):
		doc.At("rules", second, "prefix").Hint("make the prefixes disjoint").
			Problemf("prefix %q of rule %q overlaps prefix %q of rule %q%s",
				b.Prefix, p.ruleName(second), a.Prefix, p.ruleName(first), lineOf(doc, first, "prefix"))
	case overlap(a.target(), b.target()):
		doc.At("rules", second, b.targetField()).Hint("make the target prefixes disjoint").
			Problemf("rule %q delivers under %q, which overlaps %q of rule %q%s",
				p.ruleName(second), b.target(), a.target(), p.ruleName(first), lineOf(doc, first, a.targetField()))
	}
}

// overlap reports whether a key can start with both prefixes.
func overlap(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// lineOf tells where the other half of a contradiction stands.
func lineOf(doc *strictyaml.Document, rule int, field string) string {
	line, _ := doc.At("rules", rule, field).Position()
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" on line %d", line)
}

// ruleName is the name of a rule, or the one its place gives it.
func (p Policy) ruleName(i int) string {
	if p.Rules[i].Name != "" {
		return p.Rules[i].Name
	}
	return fmt.Sprintf("rule-%d", i+1)
}
