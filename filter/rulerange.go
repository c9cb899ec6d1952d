package filter

import (
	"bytes"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
)

// RuleRange is a range of source keys that one rule maps. Every key of Source
// starts with SourcePrefix, every key of Delivered with TargetPrefix, and the
// mapping replaces one by the other, so it keeps the order of keys.
type RuleRange struct {
	// Rule is the name of the rule.
	Rule string
	// Place is that of the rule in the policy.
	Place int
	// Source is never empty.
	Source change.Range
	// Delivered is the image of Source.
	Delivered change.Range
	// SourcePrefix and TargetPrefix are the prefixes that the rule swaps.
	SourcePrefix []byte
	TargetPrefix []byte

	// storage is what the keys of the resource start with, for a rule about
	// objects. Namespaces and names follow.
	storage string
	// vacated: the rule has all of it stay behind, and others take its place.
	vacated bool
}

// delivering are the ranges of which something can be delivered.
func delivering(ranges []RuleRange) []RuleRange {
	return slices.DeleteFunc(slices.Clone(ranges), func(r RuleRange) bool { return r.vacated })
}

// sameSwap reports whether both map keys in the same way.
func (r RuleRange) sameSwap(o RuleRange) bool {
	a, b := reduced(r), reduced(o)
	return bytes.Equal(a.from, b.from) && bytes.Equal(a.to, b.to)
}

// Map gives the delivered key of a source key, which must lie in r.Source.
func (r RuleRange) Map(sourceKey []byte) []byte {
	return swap(sourceKey, r.SourcePrefix, r.TargetPrefix)
}

// Unmap gives the source key of a delivered key, which must lie in
// r.Delivered.
func (r RuleRange) Unmap(delivered []byte) []byte {
	return swap(delivered, r.TargetPrefix, r.SourcePrefix)
}

// clip is the part of r that is delivered into the range.
func (r RuleRange) clip(delivered change.Range) (RuleRange, bool) {
	part := r.Delivered.Intersect(delivered)
	if part.Empty() {
		return RuleRange{}, false
	}
	r.Delivered = part
	r.Source = swapRange(part, r.TargetPrefix, r.SourcePrefix)
	return r, true
}

// swap replaces the prefix from of key by to, in a slice of its own.
func swap(key, from, to []byte) []byte {
	out := make([]byte, 0, len(to)+len(key)-len(from))
	return append(append(out, to...), key[len(from):]...)
}

// swapRange maps a range inside the prefix from. Its upper end either starts
// with the prefix too, or is the end of the whole prefix.
func swapRange(r change.Range, from, to []byte) change.Range {
	out := change.Range{Lo: swap(r.Lo, from, to)}
	if len(r.Hi) != 0 && bytes.HasPrefix(r.Hi, from) {
		out.Hi = swap(r.Hi, from, to)
	} else {
		out.Hi = change.PrefixEnd(to)
	}
	return out
}
