package filter

import (
	"bytes"
	"slices"
	"sort"
)

// Verdict is what a selection decides about a stored value.
type Verdict int

// What a selection decides about a stored value.
const (
	Outside  Verdict = iota // no rule is about the key
	Left                    // a rule is about the key, and does not select what it holds
	Selected                // it crosses
	Refused                 // it would cross, and cannot: it is not what its key says, or cannot be read
)

// Outcome is what a selection makes of one stored value.
type Outcome struct {
	Verdict Verdict
	// Key and Value are what is delivered, when the verdict is Selected.
	Key, Value []byte
	// Rule is the place in the policy of the rule that decided, or -1.
	Rule int
	// Orphan: the verdict is Left, and an edge that holds the key keeps it.
	Orphan bool
	// Reason says why a value is refused and what to do, or, shorter, why it
	// was left.
	Reason string
}

// Covers reports whether a rule is about a source key. What the key holds
// decides whether it crosses.
func (s *Selection) Covers(sourceKey []byte) bool { return s.segment(sourceKey) != nil }

func (s *Selection) segment(sourceKey []byte) *segment {
	i := sort.Search(len(s.bySource), func(i int) bool { return bytes.Compare(s.bySource[i].keys.Lo, sourceKey) > 0 }) - 1
	if i < 0 || !s.bySource[i].keys.Contains(sourceKey) {
		return nil
	}
	return &s.bySource[i]
}

// Places are the keys under which what a source key holds can be delivered, in
// the order of the rules. There are none when no rule is about the key. Rules
// that look at values may deliver it under one of them, or not at all.
func (s *Selection) Places(sourceKey []byte) [][]byte {
	seg := s.segment(sourceKey)
	if seg == nil {
		return nil
	}
	var out [][]byte
	for _, r := range delivering(seg.ranges) {
		key := r.Map(sourceKey)
		if !slices.ContainsFunc(out, func(k []byte) bool { return bytes.Equal(k, key) }) {
			out = append(out, key)
		}
	}
	return out
}

// Take decides about one stored value. The result depends on nothing else. It
// may share memory with value.
func (s *Selection) Take(sourceKey, value []byte) Outcome {
	seg := s.segment(sourceKey)
	if seg == nil {
		return Outcome{Rule: -1}
	}
	found := sighting{prefix: s.cluster.Prefix, key: sourceKey, value: value}
	why := ""
	for _, r := range seg.ranges {
		o := s.objects[r.Place]
		if o == nil {
			return Outcome{Verdict: Selected, Key: r.Map(sourceKey), Value: value, Rule: r.Place}
		}
		d := o.decide(r, &found)
		switch d.step {
		case passed:
			return o.deliver(r, &found, s.orphans(seg))
		case unreadable:
			return Outcome{Verdict: Refused, Rule: r.Place, Reason: d.reason}
		case staysBehind:
			return Outcome{Verdict: Left, Rule: r.Place, Orphan: s.orphans(seg), Reason: d.reason}
		case withheld:
			return Outcome{Verdict: Left, Rule: r.Place, Reason: d.reason}
		}
		why = d.reason
	}
	return Outcome{Verdict: Left, Rule: -1, Orphan: s.orphans(seg), Reason: why}
}

// orphans reports whether edges keep what leaves at a key: the first rule that
// is about the key says so.
func (s *Selection) orphans(seg *segment) bool {
	return s.rules[seg.first().Place].OnLeave == LeaveOrphan
}
