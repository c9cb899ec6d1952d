package filter

import (
	"bytes"
	"slices"
	"sort"

	"github.com/syncer-io/syncer/replicator/change"
)

// RuleInfo is what an edge has to know about a rule: which of its keys the
// rule holds, and what guards them. It travels in the reply to an attach.
type RuleInfo struct {
	// Name is the rule's own, or the one that its place gives it.
	Name string `json:"name"`
	// Delivered are the keys that the rule can deliver: disjoint, not
	// adjacent, sorted. Those of different rules are disjoint too.
	Delivered []change.Range `json:"delivered"`
	Guard     Guard          `json:"guard"`
	// OnLeave is what becomes of a key that leaves the rule. "" is LeaveDelete.
	OnLeave OnLeave `json:"onLeave,omitempty"`
	// Conflict is who wins when a key was changed at the edge. "" is SourceWins.
	Conflict string `json:"conflict,omitempty"`
	// Ignore are the fields that are left to the edge.
	Ignore []Ignore `json:"ignore,omitempty"`
	// Recreate: an object of which a field cannot be changed in place is deleted
	// and made anew.
	Recreate bool `json:"recreate,omitempty"`
}

// Ignore leaves fields of JSON values to an edge. Presets are written out, so
// that an edge need not know them.
type Ignore struct {
	Paths []string `json:"paths"`
	When  When     `json:"when"`
}

// Rules are the rules in the order of the policy.
func (s *Selection) Rules() []RuleInfo { return slices.Clone(s.rules) }

// RuleOf is the index of the rule that holds a delivered key, or -1.
func RuleOf(rules []RuleInfo, key []byte) int {
	return slices.IndexFunc(rules, func(r RuleInfo) bool { return r.holds(key) })
}

func (r RuleInfo) holds(key []byte) bool {
	i := sort.Search(len(r.Delivered), func(i int) bool { return bytes.Compare(r.Delivered[i].Lo, key) > 0 }) - 1
	return i >= 0 && r.Delivered[i].Contains(key)
}

// infos are what an edge has to know of the rules. A key that several rules can
// deliver belongs to the first of them.
func (p Policy) infos(byTarget []segment) []RuleInfo {
	infos := make([]RuleInfo, len(p.Spec.Rules))
	for i, r := range p.Spec.Rules {
		infos[i] = RuleInfo{Name: p.ruleName(i), Guard: p.guard(i)}
		if firstOf(r.OnLeave, p.Spec.Defaults.OnLeave) == LeaveOrphan {
			infos[i].OnLeave = LeaveOrphan
		}
		if c := firstOf(r.Conflict, p.Spec.Defaults.Conflict); c != SourceWins {
			infos[i].Conflict = string(c)
		}
		infos[i].Ignore = r.ignore()
		infos[i].Recreate = firstOf(r.OnImmutable, p.Spec.Defaults.OnImmutable) == RecreateImmutable
		infos[i].Delivered = mergeKeys(slices.Collect(func(yield func(segment) bool) {
			for _, s := range byTarget {
				if s.ranges[0].Place == i && !yield(s) {
					return
				}
			}
		}))
	}
	return infos
}

// isDefault reports whether the rule does what a rule does that says nothing.
func (r RuleInfo) isDefault() bool {
	return r.Guard.isDefault() && r.OnLeave == "" && !r.decides()
}

// decides reports whether the rule does anything else about conflicts, and what
// cannot be changed, than to have the source win and the change wait.
func (r RuleInfo) decides() bool { return r.Conflict != "" || len(r.Ignore) > 0 || r.Recreate }
