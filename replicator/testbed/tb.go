package testbed

import "context"

// TB is the part of testing.TB that the constructors for tests call; the demo
// and the benchmarks use the constructors that return errors.
type TB interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	TempDir() string
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}
