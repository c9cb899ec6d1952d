//go:build fault

package e2e

import "testing"

// C4 in full: 100,000 operations each way.
func TestFaultTwoWayPairsDoNotEcho(t *testing.T) { newTwoWay(t).run(t, 100_000) }
