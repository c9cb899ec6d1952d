//go:build fault

package e2e

import "testing"

// R1 in full: up to 10,000 differences among 100,000 keys.
func TestFaultFewAndManyDifferences(t *testing.T) {
	newDiffering(t, 100_000).repairs(1, 100, 10_000)
}
