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
func (p Policy) Validate(c Cluster) error {
	var r strictyaml.Report
	p.validate(p.place(&r), c)
	return r.Err()
}

// place is where problems of the policy go: its file, or its name when it was
// built by a program.
func (p Policy) place(r *strictyaml.Report) *strictyaml.Document {
	if p.doc == nil {
		return strictyaml.Unplaced(r, fmt.Sprintf("policy %q", p.Metadata.Name))
	}
	return p.doc.For(r)
}

// validate attaches every problem of the policy to doc.
func (p Policy) validate(doc *strictyaml.Document, c Cluster) {
	if p.APIVersion != APIVersion {
		doc.At("apiVersion").Hint("use %s", APIVersion).Problemf("unknown apiVersion %q", p.APIVersion)
	}
	if p.Kind != KindPolicy {
		doc.At("kind").Hint("use %s", KindPolicy).Problemf("unknown kind %q for a policy", p.Kind)
	}
	if !ValidName(p.Metadata.Name) {
		doc.At("metadata", "name").
			Hint("use lower-case letters, digits and inner hyphens, at most 63").
			Problemf("%q cannot be the name of a policy", p.Metadata.Name)
	}
	if len(p.Spec.Rules) == 0 {
		doc.At("spec", "rules").Hint("add a rule with a prefix").Problemf("the policy has no rules, so nothing crosses")
	}
	validateDeletes(doc, p.Spec.Defaults.MaxDeletePercent, p.Spec.Defaults.MinDeletes, "spec", "defaults")
	for i := range p.Spec.Rules {
		p.validateRule(doc, i)
	}
	p.validateTogether(doc)
}

// rulePath is the place of a field of a rule.
func rulePath(i int, fields ...any) []any { return append([]any{"spec", "rules", i}, fields...) }

func (p Policy) validateRule(doc *strictyaml.Document, i int) {
	r := p.Spec.Rules[i]
	validateDeletes(doc, r.MaxDeletePercent, r.MinDeletes, rulePath(i)...)
	if !soundPrefixes(doc, i) {
		return
	}
	for j, e := range r.Exclude {
		if !strings.HasPrefix(e, r.Prefix) {
			doc.At(rulePath(i, "exclude", j)...).
				Hint("an exclude starts with the prefix of its rule").
				Problemf("%q is not inside the prefix %q of rule %q", e, r.Prefix, p.ruleName(i))
		}
	}
	switch {
	case strings.HasPrefix(r.Prefix, OwnPrefix):
		doc.At(rulePath(i, "prefix")...).Hint("choose another prefix").
			Problemf("%s is syncer's own and never crosses", OwnPrefix)
	case strings.HasPrefix(r.target(), OwnPrefix):
		doc.At(rulePath(i, "to")...).Hint("choose another prefix").
			Problemf("%s is syncer's own; nothing can be delivered there", OwnPrefix)
	case doc.Sound(rulePath(i)...) && len(r.ranges("", i, nil)) == 0:
		doc.At(rulePath(i)...).Hint("remove the rule or an exclude").
			Problemf("rule %q selects nothing: its excludes cover all of it", p.ruleName(i))
	}
}

// soundPrefixes reports whether both prefixes of a rule are what was written.
func soundPrefixes(doc *strictyaml.Document, i int) bool {
	return doc.Sound(rulePath(i, "prefix")...) && doc.Sound(rulePath(i, "to")...)
}

func validateDeletes(doc *strictyaml.Document, percent, least *int, path ...any) {
	if percent != nil && (*percent < 0 || *percent > 100) {
		doc.At(append(path, "maxDeletePercent")...).Hint("use 0 to 100; 100 lets every delete pass").
			Problemf("a step cannot delete at most %d percent", *percent)
	}
	if least != nil && *least < 1 {
		doc.At(append(path, "minDeletes")...).Hint("use 1 or more; 1 has the percentage decide alone").
			Problemf("%d deletes are never too many", *least)
	}
}

// validateTogether refuses rules that contradict each other.
func (p Policy) validateTogether(doc *strictyaml.Document) {
	ranges := p.ranges()
	for second := range p.Spec.Rules {
		unreachable := false
		for first := range second {
			p.validateNames(doc, first, second)
			unreachable = unreachable || p.validateReachable(doc, first, second)
		}
		for first := range second {
			if !unreachable {
				p.validateOneToOne(doc, first, second, ranges)
			}
		}
	}
}

func (p Policy) validateNames(doc *strictyaml.Document, first, second int) {
	if name := p.ruleName(second); name == p.ruleName(first) {
		doc.At(rulePath(second, "name")...).Hint("give each rule a name of its own").
			Problemf("rule %q is already defined%s", name, lineOf(doc, first, "name"))
	}
}

// validateReachable reports whether the second rule can never decide, because
// the first one takes all of its keys.
func (p Policy) validateReachable(doc *strictyaml.Document, first, second int) bool {
	a, b := p.Spec.Rules[first], p.Spec.Rules[second]
	if !soundPrefixes(doc, first) || !soundPrefixes(doc, second) || !strings.HasPrefix(b.Prefix, a.Prefix) {
		return false
	}
	doc.At(rulePath(second, "prefix")...).Hint("put the rule with the longer prefix first").
		Problemf("rule %q never decides anything: rule %q takes every key below %q%s first",
			p.ruleName(second), p.ruleName(first), a.Prefix, lineOf(doc, first, "prefix"))
	return true
}

// validateOneToOne refuses two source keys for one delivered key.
func (p Policy) validateOneToOne(doc *strictyaml.Document, first, second int, ranges [][]RuleRange) {
	if !soundPrefixes(doc, first) || !soundPrefixes(doc, second) {
		return
	}
	a, b := p.Spec.Rules[first], p.Spec.Rules[second]
	for _, x := range ranges[first] {
		for _, y := range ranges[second] {
			if x.Delivered.Intersect(y.Delivered).Empty() {
				continue
			}
			doc.At(rulePath(second, b.targetField())...).Hint("make what they deliver disjoint, with to or exclude").
				Problemf("rule %q delivers under %q, where rule %q delivers too, under %q%s: two source keys would have one place",
					p.ruleName(second), b.target(), p.ruleName(first), a.target(), lineOf(doc, first, a.targetField()))
			return
		}
	}
}

// lineOf tells where the other half of a contradiction stands.
func lineOf(doc *strictyaml.Document, rule int, field string) string {
	line, _ := doc.At(rulePath(rule, field)...).Position()
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" on line %d", line)
}

// ruleName is the name of a rule, or the one its place gives it.
func (p Policy) ruleName(i int) string {
	if p.Spec.Rules[i].Name != "" {
		return p.Spec.Rules[i].Name
	}
	return fmt.Sprintf("rule-%d", i+1)
}
