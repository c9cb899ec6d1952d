package filter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"slices"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// digestFormat is hashed first, so that another way to describe a mapping can
// never give an old digest.
const digestFormat = "syncer selection 1"

// guardFormat, leaveFormat and conflictFormat are hashed first when a rule has a
// guard, leaves keys, or decides conflicts in another way than by default.
const (
	guardFormat    = "syncer selection with guards 1"
	leaveFormat    = "syncer selection with orphans 1"
	conflictFormat = "syncer selection with conflicts 1"
	// objectFormat is hashed first when a rule is about objects.
	objectFormat = "syncer selection of objects 1"
)

// stretch is the longest source range over which one prefix swap holds. The
// swap is reduced: its two prefixes have no common ending. A mapping has one
// list of stretches only, whatever rules produced it.
type stretch struct {
	source   change.Range
	from, to []byte
}

// digest names what the selection does. A rule about objects adds itself, as it
// is written with its variables filled in, and the version of the codec that
// makes its objects.
func (p Policy) digest(s *Selection) string {
	name := ruledDigest(digest(sourceRanges(s)), s.rules)
	if !slices.ContainsFunc(p.Spec.Rules, Rule.ofObjects) {
		return name
	}
	h := sha256.New()
	field(h, []byte(objectFormat))
	field(h, []byte(name))
	number(h, object.CodecVersion)
	field(h, []byte(s.cluster.Prefix))
	for i, r := range p.Spec.Rules {
		to := r.target()
		r.To = &to
		r.Name, r.ExceptNamespaces = "", slices.Concat(r.ExceptNamespaces, p.Spec.Defaults.ExceptNamespaces)
		r.OnLeave, r.Conflict, r.IgnoreFields = s.rules[i].OnLeave, "", nil
		r.MaxDeletePercent, r.MinDeletes, r.OnImmutable, r.Raw = nil, nil, "", false
		text, err := json.Marshal(r)
		if err != nil {
			panic(err) // a rule is text, numbers, and what JSON can say
		}
		field(h, text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sourceRanges are all ranges of all rules, sorted by source and then by rule.
func sourceRanges(s *Selection) []RuleRange {
	var out []RuleRange
	for _, seg := range s.bySource {
		out = append(out, seg.ranges...)
	}
	return out
}

// digest hashes the stretches of ranges that are sorted by source.
func digest(ranges []RuleRange) string {
	h := sha256.New()
	field(h, []byte(digestFormat))
	for _, s := range stretches(ranges) {
		field(h, s.source.Lo)
		field(h, s.source.Hi)
		field(h, s.from)
		field(h, s.to)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ruledDigest adds what rules do, other than by default, to the digest of a
// mapping. A guard is about the keys of one rule together, so the ranges of
// the rule count as well; its name and its place do not.
func ruledDigest(mapping string, rules []RuleInfo) string {
	rules = slices.DeleteFunc(slices.Clone(rules), func(r RuleInfo) bool { return r.isDefault() || len(r.Delivered) == 0 })
	if len(rules) == 0 {
		return mapping
	}
	orphans := slices.ContainsFunc(rules, func(r RuleInfo) bool { return r.OnLeave != "" })
	conflicts := slices.ContainsFunc(rules, RuleInfo.decides)
	slices.SortFunc(rules, func(a, b RuleInfo) int { return bytes.Compare(a.Delivered[0].Lo, b.Delivered[0].Lo) })
	h := sha256.New()
	field(h, []byte(guardFormat))
	if orphans {
		field(h, []byte(leaveFormat))
	}
	if conflicts {
		field(h, []byte(conflictFormat))
	}
	field(h, []byte(mapping))
	for _, r := range rules {
		number(h, r.Guard.Percent)
		number(h, r.Guard.AtLeast)
		if orphans {
			field(h, []byte(r.OnLeave))
		}
		if conflicts {
			r.conflictDigest(h)
		}
		number(h, len(r.Delivered))
		for _, d := range r.Delivered {
			field(h, d.Lo)
			field(h, d.Hi)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (r RuleInfo) conflictDigest(h hash.Hash) {
	if r.Recreate {
		field(h, []byte("recreate"))
	}
	field(h, []byte(r.Conflict))
	number(h, len(r.Ignore))
	for _, i := range r.Ignore {
		field(h, []byte(i.When))
		number(h, len(i.Paths))
		for _, path := range i.Paths {
			field(h, []byte(path))
		}
	}
}

func stretches(ranges []RuleRange) []stretch {
	var out []stretch
	for _, r := range ranges {
		next := reduced(r)
		if n := len(out); n > 0 && out[n-1].continues(next) {
			out[n-1].source.Hi = next.source.Hi
			continue
		}
		out = append(out, next)
	}
	return out
}

func reduced(r RuleRange) stretch {
	s := stretch{source: r.Source}
	s.from, s.to = reduce(r.SourcePrefix, r.TargetPrefix)
	return s
}

func (s stretch) continues(next stretch) bool {
	return len(s.source.Hi) != 0 && bytes.Equal(s.source.Hi, next.source.Lo) &&
		bytes.Equal(s.from, next.from) && bytes.Equal(s.to, next.to)
}

// reduce drops the common ending of two prefixes: swapping /a/x for /b/x is
// swapping /a for /b.
func reduce(from, to []byte) ([]byte, []byte) {
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	return from, to
}

// field writes b with its length, so that fields cannot run into each other.
func field(h hash.Hash, b []byte) {
	number(h, len(b))
	_, _ = h.Write(b) // a hash never fails to write
}

func number(h hash.Hash, n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	_, _ = h.Write(b[:])
}
