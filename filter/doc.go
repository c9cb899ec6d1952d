// Package filter reads policies and compiles them to selections: which source
// keys cross to an edge, and under which delivered key.
//
// The files follow the life of a policy: policy.go is what an operator
// writes, load.go reads it, validate.go refuses what cannot be mapped one to
// one, compile.go turns rules into pieces, selection.go answers questions
// about keys and ranges.
package filter
