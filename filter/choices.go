package filter

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

// Who wins when a key was changed at an edge.
const (
	SourceWins Conflict = "source-wins" // what the edge changed is put back
	EdgeWins   Conflict = "edge-wins"   // what the edge changed stays
	Hold       Conflict = "hold"        // it stays until somebody decides
	Merge      Conflict = "merge"       // both changes, field by field
)

// Values are the words that a policy may write.
func (Conflict) Values() []string {
	return []string{string(SourceWins), string(EdgeWins), string(Hold), string(Merge)}
}

// OnImmutable is what an edge does when its API server does not change a field in
// place. "" stands for the default.
type OnImmutable string

// What an edge does when a field cannot be changed in place.
const (
	HoldImmutable     OnImmutable = "hold"     // the change waits
	RecreateImmutable OnImmutable = "recreate" // the object is deleted and made anew
)

// Values are the words that a policy may write.
func (OnImmutable) Values() []string {
	return []string{string(HoldImmutable), string(RecreateImmutable)}
}

// When says when an ignored field is the edge's. "" stands for the default.
type When string

// When an ignored field is the edge's.
const (
	OnEdgeChange  When = "onEdgeChange"  // it changed the field since it was replicated
	OnEdgePresent When = "onEdgePresent" // it has the field
	OnEdgeAdd     When = "onEdgeAdd"     // it has the field, and the source never had it
)

// Values are the words that a policy may write.
func (When) Values() []string {
	return []string{string(OnEdgeChange), string(OnEdgePresent), string(OnEdgeAdd)}
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
