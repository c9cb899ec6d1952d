package object

import "fmt"

// Refusal says why a key or a value is not taken, and what its owner can do.
// It is the type of every error about what a source holds.
type Refusal struct {
	Reason string
	Try    string // a remedy, never empty
}

func (r *Refusal) Error() string { return r.Reason }

func refuse(try, format string, args ...any) *Refusal {
	return &Refusal{Reason: fmt.Sprintf(format, args...), Try: try}
}
