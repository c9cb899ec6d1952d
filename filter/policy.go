package filter

import "github.com/syncer-io/syncer/filter/strictyaml"

// APIVersion is the version of the policy language this package reads.
const APIVersion = "syncer/v1alpha1"

// KindPolicy is the kind of a policy document.
const KindPolicy = "Policy"

// OwnPrefix is syncer's own key space. No selection reads from it or delivers
// into it.
const OwnPrefix = "/syncer/"

// Policy says what crosses to the edges that are paired with it.
type Policy struct {
	// APIVersion is "syncer/v1alpha1". Required.
	APIVersion string `yaml:"apiVersion,required"`
	// Kind is "Policy". Required.
	Kind string `yaml:"kind,required"`
	// Metadata names the policy. Required.
	Metadata Metadata `yaml:"metadata,required"`
	// Spec says what crosses. Required.
	Spec Spec `yaml:"spec,required"`

	doc *strictyaml.Document
}

// Metadata names a policy.
type Metadata struct {
	// Name of the policy: lower-case letters, digits and inner hyphens, at most
	// 63. Pairs refer to it. Required.
	Name string `yaml:"name,required"`
}

// Spec is the content of a policy.
type Spec struct {
	// Rules select keys and objects, in order: the first rule that matches
	// decides, and what no rule selects does not cross. At least one is
	// required.
	Rules []Rule `yaml:"rules,required" item:"rule"`
	// Defaults hold for rules that do not say otherwise.
	Defaults Defaults `yaml:"defaults"`
}

// Defaults are what rules do that do not say otherwise.
type Defaults struct {
	// OnLeave is that of the rules. Default delete.
	OnLeave OnLeave `yaml:"onLeave"`
	// Conflict is that of the rules. Default source-wins.
	Conflict Conflict `yaml:"conflict"`
	// MaxDeletePercent is that of the rules. Default 20.
	MaxDeletePercent *int `yaml:"maxDeletePercent"`
	// MinDeletes is that of the rules. Default 10.
	MinDeletes *int `yaml:"minDeletes"`
}

// Rule selects the keys under one prefix.
type Rule struct {
	// Name is shown in messages. Default "rule-1", "rule-2", ... by place.
	Name string `yaml:"name"`
	// Prefix is the start of the source keys that the rule selects, as bytes;
	// "" selects everything.
	Prefix string `yaml:"prefix,required"`
	// Exclude lists prefixes inside Prefix that stay behind, also when a later
	// rule would take them. Default none.
	Exclude []string `yaml:"exclude"`
	// To replaces Prefix in delivered keys. Default: Prefix; "" delivers the
	// rest of the key alone.
	To *string `yaml:"to"`
	// OnLeave says what edges do with a key that is no longer selected although
	// it exists: delete it, or orphan it, which leaves it to them. Default
	// delete.
	OnLeave OnLeave `yaml:"onLeave"`
	// Conflict says who wins when a key was changed at an edge. Default
	// source-wins.
	Conflict Conflict `yaml:"conflict"`
	// MaxDeletePercent is the share of the keys that the rule holds at an edge,
	// 0 to 100, that one step may delete without somebody's approval; 100 lets
	// every delete pass. Default 20.
	MaxDeletePercent *int `yaml:"maxDeletePercent"`
	// MinDeletes is the number of deletes, from 1, below which a step always
	// passes: in a small rule a few keys are a large share. Default 10.
	MinDeletes *int `yaml:"minDeletes"`
}

// target is the prefix of the rule's delivered keys.
func (r Rule) target() string {
	if r.To == nil {
		return r.Prefix
	}
	return *r.To
}

// targetField is the field that sets the prefix of delivered keys.
func (r Rule) targetField() string {
	if r.To == nil {
		return "prefix"
	}
	return "to"
}
