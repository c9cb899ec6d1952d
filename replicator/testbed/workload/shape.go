package workload

import "fmt"

// Shape says what the changes look like. The zero value of every field but
// Prefixes is a good default.
type Shape struct {
	// Prefixes are where keys are written. Name prefixes inside a selection,
	// outside of it, and excluded from it: transactions mix them.
	Prefixes []string
	// Keys is how many keys each prefix has at most; 0 means 200.
	Keys int
	// MaxValue is the largest value in bytes; 0 means 4 KiB.
	MaxValue int
	// MaxTxnOps is the most operations of a transaction; 0 means 16.
	MaxTxnOps int
	// TextOnly keeps keys printable.
	TextOnly bool
}

// groups is how many groups the keys of a prefix form; a prefix delete removes
// one group.
const groups = 8

func (s Shape) complete() (Shape, error) {
	if len(s.Prefixes) == 0 {
		return s, fmt.Errorf("workload: no prefixes given")
	}
	if s.Keys == 0 {
		s.Keys = 200
	}
	if s.MaxValue == 0 {
		s.MaxValue = 4 << 10
	}
	if s.MaxTxnOps == 0 {
		s.MaxTxnOps = 16
	}
	return s, nil
}
