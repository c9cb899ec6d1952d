package main

import (
	"context"
	"math"
	"runtime/debug"
	"testing"
)

func TestMemoryLimitFollowsWhatIsInUse(t *testing.T) {
	for live, want := range map[int64]int64{
		0:         24 << 20,
		10 << 20:  24 << 20,
		80 << 20:  104 << 20,
		400 << 20: 504 << 20,
	} {
		if got := memoryLimit(live); got != want {
			t.Errorf("with %d bytes in use the limit is %d, want %d", live, got, want)
		}
	}
}

// What was given back is there again when it is used.
func TestProcessGoesOnWithoutItsPages(t *testing.T) {
	for range 3 {
		dropPages()
		if memoryLimit(0) != smallestMemory {
			t.Error("the code that was dropped does something else")
		}
	}
}

func TestKeepSmallSetsTheLimitAndEnds(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	stop := keepSmall(context.Background())
	stop()
	if got := debug.SetMemoryLimit(-1); got < smallestMemory || got == math.MaxInt64 {
		t.Errorf("the limit is %d", got)
	}
}
