package filter

import "github.com/syncer-io/syncer/filter/strictyaml"

// APIVersion is the version of the policy language this package reads.
const APIVersion = "syncer/v1alpha1"

// KindPolicy is the kind of a policy document.
const KindPolicy = "Policy"

// OwnPrefix is syncer's own key space. No selection reads from it or delivers
// into it.
const OwnPrefix = "/syncer/"

// Policy says what crosses to the edges that are paired with it. It is one
// channel, named like the policy.
type Policy struct {
	// APIVersion is "syncer/v1alpha1". Required.
	APIVersion string `yaml:"apiVersion,required"`
	// Kind is "Policy". Required.
	Kind string `yaml:"kind,required"`
	// Name of the policy and of its channel: lower-case letters, digits and
	// inner hyphens, at most 63. Required.
	Name string `yaml:"name,required"`
	// Rules select keys; a key that no rule selects does not cross. At least
	// one is required.
	Rules []Rule `yaml:"rules,required" item:"rule"`

	doc *strictyaml.Document
}

// Rule moves the keys under one prefix.
type Rule struct {
	// Name is shown in messages. Default "rule-1", "rule-2", ... by place.
	Name string `yaml:"name"`
	// Prefix is the start of the source keys that the rule selects, as bytes.
	// Required; "" selects everything.
	Prefix string `yaml:"prefix,required"`
	// Exclude lists prefixes inside Prefix that stay behind. Default none.
	Exclude []string `yaml:"exclude"`
	// TargetPrefix replaces Prefix in delivered keys. Default: Prefix; ""
	// delivers the rest of the key alone.
	TargetPrefix *string `yaml:"targetPrefix"`
	// Guard stops a step that deletes more than percent of the keys that the
	// rule holds at an edge and at least atLeast keys, until somebody approves
	// it; all else goes on. Default {percent: 20, atLeast: 10}.
	Guard RuleGuard `yaml:"guard"`
}

// target is the prefix of the rule's delivered keys.
func (r Rule) target() string {
	if r.TargetPrefix == nil {
		return r.Prefix
	}
	return *r.TargetPrefix
}

// targetField is the field that sets the prefix of delivered keys.
func (r Rule) targetField() string {
	if r.TargetPrefix == nil {
		return "prefix"
	}
	return "targetPrefix"
}
