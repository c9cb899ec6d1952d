package filter

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/change"
)

// validateReachable reports whether the rule can decide anything, and refuses
// it when earlier ones decide about all of its keys. Rules that are one rule
// for some edge only are no mistake.
func (p Policy) validateReachable(doc *strictyaml.Document, rule int, about [][]change.Range) bool {
	r := p.Spec.Rules[rule]
	left := about[rule]
	if !soundConditions(doc, rule) || len(left) == 0 {
		return true
	}
	for first := range rule {
		a := p.Spec.Rules[first]
		if !soundConditions(doc, first) || !a.decidesAlso(r) {
			continue
		}
		if left = without(left, about[first]); len(left) > 0 {
			continue
		}
		if !p.ofEdge {
			doc.At(rulePath(rule, r.keyField())...).Hint("put the narrower rule first").
				Problemf("rule %q never decides anything: rule %q%s takes all that it is about first",
					p.ruleName(rule), p.ruleName(first), lineOf(doc, first, a.keyField()))
		}
		return false
	}
	return true
}

// soundConditions reports whether what a rule selects is what was written.
func soundConditions(doc *strictyaml.Document, i int) bool {
	return soundPrefixes(doc, i) && !slices.ContainsFunc([]string{"namespaces", "names", "labels", "where"}, func(field string) bool {
		return !doc.Sound(rulePath(i, field)...)
	})
}

// about are the source ranges that a rule is about by itself.
func (p Policy) about(i int, c Cluster) []change.Range {
	r := p.Spec.Rules[i]
	if !r.ofObjects() {
		return []change.Range{change.PrefixRange([]byte(r.Prefix))}
	}
	var out []change.Range
	for _, piece := range p.objectRanges(i, c, nil) {
		out = append(out, piece.Source)
	}
	return out
}

// decidesAlso reports whether r decides about whatever a later rule could, as
// far as both are about the same keys. It may miss that.
func (r Rule) decidesAlso(later Rule) bool {
	if !r.ofObjects() {
		return true
	}
	return (simple(r.Namespaces) || allCovered(r.Namespaces, later.Namespaces)) &&
		allCovered(r.Names, later.Names) &&
		labelsCover(r.Labels, later.Labels) &&
		(r.Where == "" || strings.TrimSpace(r.Where) == strings.TrimSpace(later.Where))
}

// simple reports whether ranges of keys hold what the patterns match and nothing
// else.
func simple(patterns []string) bool {
	return !slices.ContainsFunc(patterns, func(n string) bool { return strings.ContainsAny(strings.TrimSuffix(n, "*"), "*?") })
}

// allCovered reports whether what matches one of the later patterns matches one
// of the earlier ones. No patterns match everything.
func allCovered(earlier, later []string) bool {
	if len(earlier) == 0 {
		return true
	}
	return len(later) > 0 && !slices.ContainsFunc(later, func(pattern string) bool { return !globsOf(earlier).cover(glob(pattern)) })
}

// labelsCover reports whether a later selector asks for all that an earlier one
// asks for.
func labelsCover(earlier, later string) bool {
	a, errA := labels.ParseToRequirements(earlier)
	b, errB := labels.ParseToRequirements(later)
	return errA == nil && errB == nil && !slices.ContainsFunc(a, func(wanted labels.Requirement) bool {
		return !slices.ContainsFunc(b, wanted.Equal)
	})
}
