package filter

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
func (s *Selection) Covers(sourceKey []byte) bool { return find(s.bySource, sourceKey, sourceOf) >= 0 }

// Places are the keys under which what a source key holds can be delivered, in
// the order of the rules. There are none when no rule is about the key. Rules
// that look at values may deliver it under one of them, or not at all.
func (s *Selection) Places(sourceKey []byte) [][]byte {
	if key, ok := s.Map(sourceKey); ok {
		return [][]byte{key}
	}
	return nil
}

// Take decides about one stored value. The result depends on nothing else. It
// may share memory with value.
func (s *Selection) Take(sourceKey, value []byte) Outcome {
	i := find(s.bySource, sourceKey, sourceOf)
	if i < 0 {
		return Outcome{Rule: -1}
	}
	r := s.bySource[i]
	return Outcome{Verdict: Selected, Key: r.Map(sourceKey), Value: value, Rule: r.Place}
}
