package filter

import "fmt"

// OnLeave is what edges do with a key that leaves the selection. "" stands for
// the default.
type OnLeave string

// What edges do with a key that leaves the selection.
const (
	LeaveDelete OnLeave = "delete" // they delete it
	LeaveOrphan OnLeave = "orphan" // they keep it as their own
)

// Values are the words that a policy may write.
func (OnLeave) Values() []string { return []string{string(LeaveDelete), string(LeaveOrphan)} }

// Conflict is who wins when a key was changed at an edge. "" stands for the
// default.
type Conflict string

// SourceWins puts back what was changed at an edge.
const SourceWins Conflict = "source-wins"

// Values are the words that a policy may write.
func (Conflict) Values() []string { return []string{string(SourceWins)} }

// UnmarshalText reads a word of a policy.
func (c *Conflict) UnmarshalText(text []byte) error {
	switch word := string(text); word {
	case string(SourceWins):
		*c = SourceWins
		return nil
	case "edge-wins", "hold", "merge":
		return fmt.Errorf("%s is not supported yet; use %s", word, SourceWins)
	default:
		return fmt.Errorf("there is no %q; use %s", word, SourceWins)
	}
}

// firstOf is the first of the values that is given.
func firstOf[T ~string](values ...T) T {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// given is the first of the pointers that point to something, or the default.
func given(otherwise int, values ...*int) int {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return otherwise
}
