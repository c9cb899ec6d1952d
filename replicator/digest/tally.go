package digest

import (
	"sync/atomic"

	"github.com/syncer-io/syncer/filter"
)

// Tally counts the keys that each rule holds while they are put and deleted:
// what the guard against mass deletes measures deletes by.
//
// Several goroutines may use a Tally at the same time. While two of them put
// and delete one key, its rule may be counted wrong by one until both are
// done.
type Tally struct {
	rules []filter.RuleInfo
	held  []atomic.Int64
}

// NewTally is the tally of the empty set.
func NewTally(rules []filter.RuleInfo) *Tally {
	return &Tally{rules: rules, held: make([]atomic.Int64, len(rules))}
}

// Put counts a key, unless it was there before. A key of no rule is passed
// over.
func (t *Tally) Put(key []byte, had bool) {
	if !had {
		t.count(key, 1)
	}
}

// Delete counts a key out, if it was there before.
func (t *Tally) Delete(key []byte, had bool) {
	if had {
		t.count(key, -1)
	}
}

func (t *Tally) count(key []byte, n int64) {
	if rule := filter.RuleOf(t.rules, key); rule >= 0 {
		t.held[rule].Add(n)
	}
}

// Held is how many keys the rule of that index holds, and 0 for an index that
// there is not, like the -1 of filter.RuleOf.
func (t *Tally) Held(rule int) uint64 {
	if rule < 0 || rule >= len(t.held) {
		return 0
	}
	return uint64(max(t.held[rule].Load(), 0))
}
