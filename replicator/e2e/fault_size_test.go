//go:build fault

package e2e

import "testing"

// S15 in full.
func TestFaultDeleteOf50000Keys(t *testing.T) { deleteAtOnce(t, 50_000) }
