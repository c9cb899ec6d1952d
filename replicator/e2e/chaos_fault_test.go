//go:build fault

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// chaosTime is how long rounds are begun unless SYNCER_CHAOS_ROUNDS says how
// many there are.
const chaosTime = 5 * time.Minute

// TestFaultChaos is many rounds of TestChaos, longer ones. A round that fails
// prints its seed.
func TestFaultChaos(t *testing.T) {
	seed, err := workload.Seed(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	rounds, err := strconv.ParseUint(os.Getenv("SYNCER_CHAOS_ROUNDS"), 10, 64)
	endless := err != nil
	began := time.Now()
	for i := uint64(0); !t.Failed() && (i < rounds || endless && time.Since(began) < chaosTime); i++ {
		t.Run(fmt.Sprint(seed+i), func(t *testing.T) { runChaos(t, seed+i, 40) })
	}
}
