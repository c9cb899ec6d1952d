package filter

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
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
	p = p.fill(doc, sample)
	validateDeletes(doc, p.Spec.Defaults.MaxDeletePercent, p.Spec.Defaults.MinDeletes, "spec", "defaults")
	for j, pattern := range p.Spec.Defaults.ExceptNamespaces {
		validateNamespace(doc, pattern, "spec", "defaults", "exceptNamespaces", j)
	}
	for i := range p.Spec.Rules {
		p.validateRule(doc, i, c)
	}
	p.validateTogether(doc, c)
}

// rulePath is the place of a field of a rule.
func rulePath(i int, fields ...any) []any { return append([]any{"spec", "rules", i}, fields...) }

func (p Policy) validateRule(doc *strictyaml.Document, i int, c Cluster) {
	r := p.Spec.Rules[i]
	validateDeletes(doc, r.MaxDeletePercent, r.MinDeletes, rulePath(i)...)
	p.validateIgnored(doc, i)
	hasPrefix, hasResources := doc.Has(rulePath(i, "prefix")...), doc.Has(rulePath(i, "resources")...)
	switch {
	case !hasPrefix && !hasResources:
		if doc.Sound(rulePath(i)...) {
			doc.At(rulePath(i)...).Hint("add prefix, or resources").Problemf("rule %q selects nothing", p.ruleName(i))
		}
	case r.ofObjects() && hasPrefix && (r.Prefix != "" || p.doc != nil):
		doc.At(rulePath(i, "prefix")...).Hint("make two rules of it").
			Problemf("rule %q has a prefix and resources", p.ruleName(i))
	case r.ofObjects():
		p.validateObjects(doc, i, c)
	case !hasPrefix:
		doc.At(rulePath(i, "resources")...).Hint("name a resource").Problemf("rule %q selects nothing", p.ruleName(i))
	default:
		p.validatePrefix(doc, i, c)
	}
}

func (p Policy) validatePrefix(doc *strictyaml.Document, i int, c Cluster) {
	r := p.Spec.Rules[i]
	for _, f := range r.objectFields() {
		doc.At(rulePath(i, f)...).Hint("use resources instead of prefix").
			Problemf("%s is for rules with resources, and rule %q has a prefix", f, p.ruleName(i))
	}
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
	case doc.Sound(rulePath(i)...):
		p.validateStorage(doc, i, c)
	}
}

// objectFields are the fields of the rule that only mean something for objects.
func (r Rule) objectFields() []string {
	var out []string
	for name, set := range map[string]bool{
		"namespaces": r.Namespaces != nil, "exceptNamespaces": r.ExceptNamespaces != nil,
		"names": r.Names != nil, "exceptNames": r.ExceptNames != nil,
		"labels": r.Labels != "", "where": r.Where != "", "transform": r.Transform != nil,
		"keepStatus": r.KeepStatus,
	} {
		if set {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
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
func (p Policy) validateTogether(doc *strictyaml.Document, c Cluster) {
	about := make([][]change.Range, len(p.Spec.Rules))
	for i := range p.Spec.Rules {
		about[i] = p.about(i, c)
	}
	var reachable []RuleRange
	for second, ranges := range p.ranges(c) {
		for first := range second {
			p.validateNames(doc, first, second)
		}
		if p.validateReachable(doc, second, about) {
			reachable = append(reachable, ranges...)
		}
	}
	p.validateOneToOne(doc, reachable)
}

func (p Policy) validateNames(doc *strictyaml.Document, first, second int) {
	if name := p.ruleName(second); name == p.ruleName(first) {
		doc.At(rulePath(second, "name")...).Hint("give each rule a name of its own").
			Problemf("rule %q is already defined%s", name, lineOf(doc, first, "name"))
	}
}

// keyField is the field that says which keys the rule is about.
func (r Rule) keyField() string {
	if r.ofObjects() {
		return "resources"
	}
	return "prefix"
}

// validateOneToOne refuses two source keys for one delivered key. A rule is
// held against itself as well, because it may rename namespaces.
func (p Policy) validateOneToOne(doc *strictyaml.Document, ranges []RuleRange) {
	for _, pair := range meetings(ranges) {
		first, second := pair[0], pair[1]
		switch {
		case !soundPrefixes(doc, first) || !soundPrefixes(doc, second):
		case first == second:
			p.refuseMove(doc, first)
		default:
			p.refuseJoin(doc, first, second)
		}
	}
}

// meetings are the pairs of rules that deliver different source keys under one
// key, the later rule second, in the order of the later ones.
func meetings(ranges []RuleRange) [][2]int {
	found := map[[2]int]bool{}
	for _, s := range segments(delivering(ranges), deliveredOf, RuleRange.clip) {
		for j, y := range s.ranges {
			for _, x := range s.ranges[:j] {
				if !x.sameSwap(y) {
					found[[2]int{x.Place, y.Place}] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(a[1], b[1]), cmp.Compare(a[0], b[0]))
	})
}

func (p Policy) refuseJoin(doc *strictyaml.Document, first, second int) {
	a, b := p.Spec.Rules[first], p.Spec.Rules[second]
	doc.At(rulePath(second, b.targetField())...).Hint("make what they deliver disjoint, with to or exclude").
		Problemf("rule %q delivers under %q, where rule %q delivers too, under %q%s: two source keys would have one place",
			p.ruleName(second), b.target(), p.ruleName(first), a.target(), lineOf(doc, first, a.targetField()))
}

// refuseMove points at the step that renames a namespace to one whose own
// objects cross as well.
func (p Policy) refuseMove(doc *strictyaml.Document, rule int) {
	r, except := p.Spec.Rules[rule], p.exceptNamespaces(rule)
	o, moves := objects{namespaces: globsOf(r.Namespaces)}, r.moves()
	for j, s := range r.Transform {
		if s.Namespace == nil || !doc.Sound(rulePath(rule, "transform", j, "namespace")...) || !o.inNamespace(s.Namespace.To) || except.matches(s.Namespace.To) {
			continue
		}
		if _, moved := moves[s.Namespace.To]; !moved {
			doc.At(rulePath(rule, "transform", j, "namespace", "to")...).Hint("add it to exceptNamespaces").
				Problemf("namespace %q is moved to %q, and %q itself is selected: their objects would meet",
					s.Namespace.From, s.Namespace.To, s.Namespace.To)
		}
	}
	if doc.Sound(rulePath(rule, "transform")...) {
		doc.At(rulePath(rule, "transform")...).Hint("move them apart").Problemf("two namespaces would have one place")
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
