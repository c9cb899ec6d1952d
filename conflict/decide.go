package conflict

import (
	"fmt"
	"slices"
)

// Decide says what to do with a key. Equal arguments give equal decisions.
//
// A rule that this version cannot carry out in full, such as a policy it does
// not know, holds: a newer source must not be misunderstood.
func Decide(r Rule, c Case) Decision {
	d := Decision{Type: c.classify()}
	ignored, err := r.compile()
	if err != nil {
		d.Outcome, d.Write, d.Reason = Hold, c.Edge, err.Error()
		return d
	}
	j := judge{Case: c, policy: r.Policy}
	if r.Policy == MergePolicy || len(ignored) > 0 {
		j.read()
	}
	j.wanted, d.Kept = j.leave(ignored, j.source)
	if base, _ := j.leave(ignored, j.base); d.Type.Conflict() && same(base, j.edge) {
		d.Type = Clean
	}
	if d.Type.Conflict() && len(d.Kept) > 0 && same(j.wanted, j.edge) {
		d.Type = SameValue
	}
	return j.decide(d)
}

// judge is a case on its way to a decision.
type judge struct {
	Case
	policy Policy
	// The values as objects, or absent: the key is not there, its value is no
	// object, or nobody has to know. An error says why it is no object.
	base, edge, source          any
	baseErr, edgeErr, sourceErr error
	// wanted is the source's less what is left to the edge.
	wanted any
}

func (j *judge) read() {
	j.base, j.edge, j.source = absent, absent, absent
	if j.BaseKnown {
		j.base, j.baseErr = readObject(j.Base)
	}
	j.edge, j.edgeErr = readObject(j.Edge)
	j.source, j.sourceErr = readObject(j.Source)
}

// leave gives v with the fields that are the edge's, and names those in which
// that makes a difference.
func (j *judge) leave(ignored []ignored, v any) (any, []string) {
	if !isObject(j.edge) || !isObject(v) {
		return v, nil
	}
	var kept []string
	for _, i := range ignored {
		var more []string
		v, more = i.leave(j.base, j.edge, v)
		kept = append(kept, more...)
	}
	slices.Sort(kept)
	return v, slices.Compact(kept)
}

// classify names the case without looking into the values.
func (c Case) classify() Type {
	switch {
	case c.BaseKnown && c.Edge.Equal(c.Base):
		return Clean
	case c.Edge.Equal(c.Source) && c.Edge.Present:
		return SameValue
	case c.Edge.Equal(c.Source):
		return DeleteMissing
	case !c.Edge.Present:
		return UpdateMissing
	case !c.Source.Present:
		return DeleteDirty
	case c.BaseKnown && !c.Base.Present:
		return InsertExists
	default:
		return UpdateDirty
	}
}

func (j *judge) decide(d Decision) Decision {
	switch {
	case !d.Type.Conflict(), d.Type == DeleteMissing, j.policy == SourceWins, j.policy == "":
		return j.write(d, j.wanted)
	case j.policy == EdgeWins:
		d.Outcome, d.Write, d.Kept = KeepEdge, j.Edge, nil
	case j.policy == HoldPolicy:
		d.Outcome, d.Write, d.Kept = Hold, j.Edge, nil
	default:
		return j.merge(d)
	}
	return d
}

func (j *judge) merge(d Decision) Decision {
	if why := j.unmergeable(); why != "" {
		d.Outcome, d.Write, d.Kept, d.Reason = Hold, j.Edge, nil, why
		return d
	}
	if j.Source.Equal(j.Base) {
		d.Outcome, d.Write = KeepEdge, j.Edge
		return d
	}
	merged, fields := merge(j.base, j.edge, j.wanted)
	d.Fields = fields
	return j.write(d, merged)
}

// unmergeable is why the two changes cannot be combined, or "".
func (j *judge) unmergeable() string {
	switch {
	case !j.BaseKnown:
		why := "cannot be merged: what was replicated last is not known"
		if j.BaseWhy != "" {
			why += ": " + j.BaseWhy
		}
		return why
	case j.Source.Equal(j.Base):
		return "" // there is one change only
	case !j.Edge.Present:
		return "cannot be merged: the edge deleted what the source changed"
	case !j.Source.Present:
		return "cannot be merged: the source deleted what the edge changed"
	}
	for _, side := range []struct {
		whose string
		err   error
	}{{"the value at the edge", j.edgeErr}, {"the value of the source", j.sourceErr}, {"the value replicated last", j.baseErr}} {
		if side.err != nil {
			return fmt.Sprintf("cannot be merged: %s is %v", side.whose, side.err)
		}
	}
	return ""
}

// write is the decision to have a value at the edge. The bytes of a side are
// used where they say the same, so that equal values have equal digests.
func (j *judge) write(d Decision, v any) Decision {
	switch {
	case !isObject(v) || same(v, j.source):
		d.Outcome, d.Write = TakeSource, j.Source
	case same(v, j.edge):
		d.Outcome, d.Write = KeepEdge, j.Edge
	default:
		d.Outcome, d.Write = WriteMerged, Some(canonical(v))
	}
	return d
}
