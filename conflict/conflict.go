package conflict

import "bytes"

// Type names what happened to a key.
type Type string

// The types. Missing is about the edge having deleted the key, dirty about it
// having written it.
const (
	// Clean: the edge has what was replicated last, ignored fields aside. No
	// conflict.
	Clean Type = ""
	// UpdateDirty: the edge changed a value that the source has too.
	UpdateDirty Type = "update_dirty"
	// UpdateMissing: the edge deleted a key that the source has.
	UpdateMissing Type = "update_missing"
	// DeleteDirty: the edge wrote a key that the source deleted or never had.
	DeleteDirty Type = "delete_dirty"
	// DeleteMissing: both deleted the key.
	DeleteMissing Type = "delete_missing"
	// InsertExists: the source made a key that the edge had made already.
	InsertExists Type = "insert_exists"
	// SameValue: both wrote the same, ignored fields aside. No conflict.
	SameValue Type = "same_value"
	// Group: the key itself is clean, but another key of the same change is not.
	Group Type = "group"
)

// Conflict reports whether somebody's change may be lost, so that it is worth a
// record.
func (t Type) Conflict() bool { return t != Clean && t != SameValue }

// Policy is who wins.
type Policy string

// The policies. "" stands for SourceWins.
const (
	SourceWins  Policy = "source-wins" // what the edge changed is put back
	EdgeWins    Policy = "edge-wins"   // what the edge changed stays
	HoldPolicy  Policy = "hold"        // it stays until somebody decides
	MergePolicy Policy = "merge"       // both changes, field by field
)

// Outcome is what to do.
type Outcome string

// The outcomes.
const (
	TakeSource  Outcome = "take-source"
	KeepEdge    Outcome = "keep-edge"
	WriteMerged Outcome = "write-merged"
	Hold        Outcome = "hold"
)

// When says when an ignored field is the edge's.
type When string

// The conditions. "" stands for OnEdgeChange. Where the base is not known, what
// the edge has counts as changed and as added.
const (
	// OnEdgeChange: the edge changed or removed the field since it was
	// replicated.
	OnEdgeChange When = "onEdgeChange"
	// OnEdgePresent: the edge has the field, whoever wrote it.
	OnEdgePresent When = "onEdgePresent"
	// OnEdgeAdd: the edge has the field, the source has it not and had it not.
	OnEdgeAdd When = "onEdgeAdd"
)

// Ignore leaves fields of JSON values to the edge.
type Ignore struct {
	// Paths are like spec.replicas, spec.ports[*].nodePort or
	// metadata.annotations["example.com/owner"]. [*] pairs the entries of lists
	// by the merge key that Kubernetes defines for the list, else by their name
	// when each has one of its own, else by their place.
	Paths []string `json:"paths"`
	When  When     `json:"when,omitempty"`
}

// Rule is what a policy says about conflicts of a key. Its JSON is part of what
// an edge is told of a rule.
type Rule struct {
	Policy Policy   `json:"conflict,omitempty"`
	Ignore []Ignore `json:"ignore,omitempty"`
}

// Value is what a key has, or that it is not there.
type Value struct {
	Present bool
	Bytes   []byte
}

// Some is the value of a key that is there.
func Some(b []byte) Value { return Value{Present: true, Bytes: b} }

// Equal compares bytes.
func (v Value) Equal(w Value) bool { return v.Present == w.Present && bytes.Equal(v.Bytes, w.Bytes) }

// Case is one key with its three values.
type Case struct {
	Key []byte
	// Base is the source's value as it was replicated last, also where a merge
	// or an ignored field had something else written. With what was written
	// instead, the next decision would take the edge's part for the source's and
	// undo it.
	Base Value
	// Edge is what stands at the edge, Source what the source has now: equal to
	// Base when only the edge changed.
	Edge, Source Value
	// BaseKnown: Base means something. Else nothing can be merged, for the reason
	// BaseWhy, where that is known: "it has 90000 bytes".
	BaseKnown bool
	BaseWhy   string
}

// Decision says what to do with a key.
type Decision struct {
	Type    Type
	Outcome Outcome
	// Write is what the edge shall have; with Hold, what it has. Where it equals
	// the edge's value there is nothing to write; where it differs from the
	// source's, the key deliberately differs, and has to be decided again at its
	// next change even if nobody wrote it meanwhile.
	Write Value
	// Fields are those that both sides changed, of which the source's was taken.
	Fields []string
	// Kept are ignored fields in which Write differs from the source.
	Kept []string
	// Reason is for people; "" when Type and policy say it all.
	Reason string
}
