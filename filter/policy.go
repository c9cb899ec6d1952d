package filter

import (
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/filter/transform"
)

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

	doc    *strictyaml.Document
	filled bool // its variables are
	ofEdge bool // with those of an edge
}

// Metadata names a policy.
type Metadata struct {
	// Name of the policy: lower-case letters, digits and inner hyphens, at most
	// 63. Pairs refer to it. Required.
	Name string `yaml:"name,required"`
}

// Spec is the content of a policy. Every text in it may have ${edge.name},
// ${edge.labels.x} and ${variable} in it, which are filled in for each edge;
// $${ is a plain ${.
type Spec struct {
	// Variables are values of the policy's own, by name.
	Variables map[string]string `yaml:"variables" item:"variable"`
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
	// OnImmutable is that of the rules. Default hold.
	OnImmutable OnImmutable `yaml:"onImmutable" json:",omitempty"`
	// MaxDeletePercent is that of the rules. Default 20.
	MaxDeletePercent *int `yaml:"maxDeletePercent"`
	// MinDeletes is that of the rules. Default 10.
	MinDeletes *int `yaml:"minDeletes"`
	// ExceptNamespaces are namespaces whose objects no rule selects.
	ExceptNamespaces []string `yaml:"exceptNamespaces"`
}

// Rule selects the keys under one prefix, or objects of Kubernetes resources:
// it has either a prefix or resources.
type Rule struct {
	// Name is shown in messages. Default "rule-1", "rule-2", ... by place.
	Name string `yaml:"name"`

	// Prefix is the start of the source keys that the rule selects, as bytes;
	// "" selects everything.
	Prefix string `yaml:"prefix"`
	// Exclude lists prefixes inside Prefix that stay behind, also when a later
	// rule would take them. Default none.
	Exclude []string `yaml:"exclude"`

	// Resources are the resources whose objects the rule selects, by their
	// plural and group: configmaps, deployments.apps, widgets.example.com. "*"
	// stands for every built-in resource that is usually right to copy.
	Resources []string `yaml:"resources"`
	// Namespaces are the namespaces of the objects, * and ? being wildcards.
	// Default: all but those of the control plane, and objects in none.
	Namespaces []string `yaml:"namespaces"`
	// ExceptNamespaces are namespaces that stay behind, also when a later rule
	// would take them.
	ExceptNamespaces []string `yaml:"exceptNamespaces"`
	// Names are the names of the objects, with wildcards. Default all.
	Names []string `yaml:"names"`
	// ExceptNames are names that stay behind, also when a later rule would take
	// them.
	ExceptNames []string `yaml:"exceptNames"`
	// Labels is a label selector as in kubectl: "sync=true,tier!=debug".
	Labels string `yaml:"labels"`
	// Where is a condition in CEL over the variable object.
	Where string `yaml:"where"`
	// Transform changes the objects on their way, step by step.
	Transform []transform.Step `yaml:"transform" item:"step"`
	// AllowSecrets lets the rule name secrets, which needs namespaces too, or
	// have a prefix that takes in those of a cluster. The edge has to consent as
	// well.
	AllowSecrets bool `yaml:"allowSecrets"`
	// Raw lets a prefix take in more than one resource of what an API server
	// stores. Such a rule copies bytes and knows nothing of kinds.
	Raw bool `yaml:"raw" json:",omitempty"`
	// KeepStatus has custom resources cross with their status. It is for those
	// whose definition has no status subresource: of the others an API server at
	// an edge drops it.
	KeepStatus bool `yaml:"keepStatus" json:",omitempty"`

	// To replaces Prefix in delivered keys; "" delivers the rest of the key
	// alone. Default: Prefix. With resources it is the prefix of the keys of
	// delivered objects. Default: /kubernetes/.
	To *string `yaml:"to"`
	// OnLeave says what edges do with a key that is no longer selected although
	// it exists: delete it, or orphan it, which leaves it to them. Default
	// delete.
	OnLeave OnLeave `yaml:"onLeave"`
	// Conflict says who wins when a key was changed at an edge: source-wins,
	// edge-wins, hold, which waits for somebody to decide, or merge, which joins
	// both changes of JSON field by field. Default source-wins.
	Conflict Conflict `yaml:"conflict"`
	// OnImmutable says what an edge does when its API server refuses to change a
	// field in place: hold the change, or delete the object and make it anew,
	// with what belongs to it. Default hold.
	OnImmutable OnImmutable `yaml:"onImmutable" json:",omitempty"`
	// IgnoreFields are fields of JSON that are left to the edges, whoever wins
	// the rest.
	IgnoreFields []IgnoreFields `yaml:"ignoreFields" item:"entry" json:",omitempty"`
	// MaxDeletePercent is the share of the keys that the rule holds at an edge,
	// 0 to 100, that one step may delete without somebody's approval; 100 lets
	// every delete pass. Default 20.
	MaxDeletePercent *int `yaml:"maxDeletePercent"`
	// MinDeletes is the number of deletes, from 1, below which a step always
	// passes: in a small rule a few keys are a large share. Default 10.
	MinDeletes *int `yaml:"minDeletes"`
}

// IgnoreFields leaves fields to the edges: it has either paths or a preset.
type IgnoreFields struct {
	// Paths are the fields, like spec.replicas, spec.ports[*].nodePort or
	// metadata.annotations["example.com/owner"].
	Paths []string `yaml:"paths"`
	// When says when a field is the edge's: onEdgeChange, when the edge changed
	// or removed it; onEdgePresent, when the edge has it; onEdgeAdd, when the
	// edge has it and the source never had it. Default onEdgeChange.
	When When `yaml:"when"`
	// Preset stands for the fields that a controller at the edge fills in.
	Preset Preset `yaml:"preset"`
}

// ObjectPrefix is what the keys of delivered objects start with.
const ObjectPrefix = "/kubernetes/"

// target is the prefix of the rule's delivered keys.
func (r Rule) target() string {
	switch {
	case r.To != nil:
		return *r.To
	case r.ofObjects():
		return ObjectPrefix
	default:
		return r.Prefix
	}
}

// ofObjects reports whether the rule selects objects.
func (r Rule) ofObjects() bool { return len(r.Resources) > 0 }

// targetField is the field that sets the prefix of delivered keys.
func (r Rule) targetField() string {
	switch {
	case r.To != nil:
		return "to"
	case r.ofObjects():
		return "resources"
	default:
		return "prefix"
	}
}
