package filter

import "math/bits"

// The guard of a rule that names none.
const (
	DefaultGuardPercent = 20
	DefaultGuardAtLeast = 10
)

// Guard says how many deletes of one step are too many to be meant. A source
// that lost its data looks like one whose owner deleted it; the guard stops
// the deletes until somebody says which it is.
type Guard struct {
	Percent int `json:"percent"` // 0 to 100
	AtLeast int `json:"atLeast"` // 1 or more
}

// Stops reports whether a step may not delete that many of the keys that the
// rule holds before the step: it is more than Percent of them, and AtLeast or
// more.
func (g Guard) Stops(deletes, held uint64) bool {
	if g.Percent >= 100 || deletes < uint64(max(g.AtLeast, 1)) {
		return false
	}
	// Products of 128 bits: the counts come from elsewhere and may be any.
	deleted, deletedLow := bits.Mul64(deletes, 100)
	allowed, allowedLow := bits.Mul64(held, uint64(max(g.Percent, 0)))
	return deleted > allowed || deleted == allowed && deletedLow > allowedLow
}

// guard is the guard of a rule with the defaults filled in.
func (p Policy) guard(i int) Guard {
	r, d := p.Spec.Rules[i], p.Spec.Defaults
	return Guard{
		Percent: given(DefaultGuardPercent, r.MaxDeletePercent, d.MaxDeletePercent),
		AtLeast: given(DefaultGuardAtLeast, r.MinDeletes, d.MinDeletes),
	}
}

func (g Guard) isDefault() bool {
	return g == Guard{Percent: DefaultGuardPercent, AtLeast: DefaultGuardAtLeast}
}
