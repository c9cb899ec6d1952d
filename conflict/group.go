package conflict

import "fmt"

// Member is one key of a change of several.
type Member struct {
	Rule Rule
	Case Case
}

// DecideGroup decides about the keys of one change together, in their order: a
// source transaction is carried out as a whole or not at all. What the policy of
// a conflicting key says of it holds for all keys:
//
//   - source-wins and merge carry the change out, each key as by Decide;
//   - edge-wins leaves all keys as they are at the edge;
//   - hold, and a merge that cannot be, hold all keys;
//   - edge-wins beside a conflict that another policy carries out holds all
//     keys, because each of the two would undo the other.
//
// A key that is not in conflict itself and is not written because of another
// one gets the type Group, and a reason that names the other.
func DecideGroup(members ...Member) []Decision {
	out := make([]Decision, len(members))
	holds, keeps, takes := -1, -1, -1 // the first member of which that is decided
	for i, m := range members {
		out[i] = Decide(m.Rule, m.Case)
		switch d := out[i]; {
		case d.Outcome == Hold:
			holds = firstOf(holds, i)
		case !d.Type.Conflict() || d.Type == DeleteMissing:
		case m.Rule.Policy == EdgeWins:
			keeps = firstOf(keeps, i)
		default:
			takes = firstOf(takes, i)
		}
	}
	switch {
	case holds >= 0:
		stop(members, out, Hold, holds, "waits with %q, which changed with it")
	case keeps >= 0 && takes >= 0:
		why := fmt.Sprintf("policy edge-wins of %q and another policy of %q contradict each other in one change",
			members[keeps].Case.Key, members[takes].Case.Key)
		out[keeps].Reason, out[takes].Reason = why, why
		stop(members, out, Hold, keeps, "waits with %q, which changed with it")
	case keeps >= 0:
		stop(members, out, KeepEdge, keeps, "left with %q, which changed with it and is the edge's")
	}
	return out
}

func firstOf(found, i int) int {
	if found >= 0 {
		return found
	}
	return i
}

// stop has no member written, because of one of them.
func stop(members []Member, out []Decision, o Outcome, because int, reason string) {
	for i := range out {
		d := &out[i]
		if !d.Type.Conflict() && i != because {
			d.Type = Group
		}
		if d.Reason == "" && i != because {
			d.Reason = fmt.Sprintf(reason, members[because].Case.Key)
		}
		d.Outcome, d.Write, d.Fields, d.Kept = o, members[i].Case.Edge, nil, nil
	}
}
