package filter

import "math/bits"

// The guard of a rule that names none.
const (
	DefaultGuardPercent = 20
	DefaultGuardAtLeast = 10
)

// RuleGuard is the guard of a rule as a policy writes it. A field that is left
// out has its default.
type RuleGuard struct {
	// Percent is the share of the rule's keys, 0 to 100, up to which deletes
	// pass. Default 20. With 0 any share is too much; with 100 none is, so
	// that the guard never stops this rule.
	Percent *int `yaml:"percent"`
	// AtLeast is the number of deletes, from 1, below which they always pass:
	// in a small rule a few keys are a large share. Default 10.
	AtLeast *int `yaml:"atLeast"`
}

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

// guard is the rule's guard with its defaults filled in.
func (r Rule) guard() Guard {
	g := Guard{Percent: DefaultGuardPercent, AtLeast: DefaultGuardAtLeast}
	if r.Guard.Percent != nil {
		g.Percent = *r.Guard.Percent
	}
	if r.Guard.AtLeast != nil {
		g.AtLeast = *r.Guard.AtLeast
	}
	return g
}

func (g Guard) isDefault() bool {
	return g == Guard{Percent: DefaultGuardPercent, AtLeast: DefaultGuardAtLeast}
}
