package filter

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestGuardStops(t *testing.T) {
	usual := Guard{Percent: 20, AtLeast: 10}
	for _, test := range []struct {
		guard         Guard
		deletes, held uint64
		want          bool
	}{
		{usual, 0, 0, false},
		{usual, 9, 9, false},   // all of few
		{usual, 10, 10, true},  // all of enough
		{usual, 10, 50, false}, // exactly 20 %
		{usual, 10, 49, true},  // more
		{usual, 20_000, 100_000, false},
		{usual, 20_001, 100_000, true},
		{usual, 10, 0, true}, // a count that went wrong stops
		{Guard{Percent: 0, AtLeast: 1}, 1, math.MaxUint64, true},
		{Guard{Percent: 0, AtLeast: 1}, 0, 0, false},
		{Guard{Percent: 99, AtLeast: 1}, 99, 100, false},
		{Guard{Percent: 99, AtLeast: 1}, 100, 100, true},
		{Guard{Percent: 100, AtLeast: 1}, 100, 100, false},
		{Guard{Percent: 100, AtLeast: 1}, math.MaxUint64, 0, false},
		{Guard{Percent: 20, AtLeast: math.MaxInt}, 1 << 40, 1 << 40, false},
	} {
		if got := test.guard.Stops(test.deletes, test.held); got != test.want {
			t.Errorf("%+v: %d of %d stops: %t, want %t", test.guard, test.deletes, test.held, got, test.want)
		}
	}
}

// TestGuardStopsByDefinition compares with numbers that cannot overflow.
func TestGuardStopsByDefinition(t *testing.T) {
	count := rapid.OneOf(rapid.Uint64Range(0, 1000), rapid.Uint64())
	rapid.Check(t, func(t *rapid.T) {
		g := Guard{Percent: rapid.IntRange(0, 99).Draw(t, "percent"), AtLeast: rapid.IntRange(1, 100).Draw(t, "atLeast")}
		deletes, held := count.Draw(t, "deletes"), count.Draw(t, "held")
		share := new(big.Int).Mul(new(big.Int).SetUint64(deletes), big.NewInt(100))
		limit := new(big.Int).Mul(new(big.Int).SetUint64(held), big.NewInt(int64(g.Percent)))
		want := share.Cmp(limit) > 0 && deletes >= uint64(g.AtLeast)
		if got := g.Stops(deletes, held); got != want {
			t.Fatalf("%+v: %d of %d stops: %t, want %t", g, deletes, held, got, want)
		}
	})
}

func TestGuardOfABuiltPolicy(t *testing.T) {
	rules := compiled(t, policyOf(Rule{Prefix: "/a"}, guarded(Rule{Prefix: "/b"}, 0, 1))).Rules()
	if !rules[0].Guard.isDefault() || rules[1].Guard != (Guard{Percent: 0, AtLeast: 1}) {
		t.Errorf("guards are %+v", rules)
	}
	for _, bad := range [][2]int{{-1, 1}, {101, 1}, {20, 0}, {20, -1}} {
		if err := policyOf(guarded(Rule{Prefix: "/a"}, bad[0], bad[1])).Validate(DefaultCluster); err == nil {
			t.Errorf("guard %v was accepted", bad)
		}
	}
}
