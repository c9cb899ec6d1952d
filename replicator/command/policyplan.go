package command

import "slices"

// PolicyPlan is what policies would change, had they been applied at a revision
// of the source.
type PolicyPlan struct {
	Revision int64           `json:"revision"`
	Policies []PlannedPolicy `json:"policies"`
}

// PlannedPolicy is what one policy would change. Counts are sums over its
// channels: keys that two channels share count twice.
type PlannedPolicy struct {
	Name string `json:"name"`
	// State is new, changed or unchanged.
	State    string   `json:"state"`
	Channels int      `json:"channels"` // after the change
	Edges    []string `json:"edges"`    // for which something changes; at most MaxPlanned
	Affected int      `json:"affectedEdges"`
	Of       int      `json:"ofEdges"` // paired with the policy

	Rules []PlannedRule `json:"rules"`
	// Stops are the rules at which the mass-delete guard would stop; at most
	// MaxPlanned.
	Stops   []PlannedStop `json:"stops"`
	Stopped int           `json:"stopped"` // all of them
	// Refusals are edges that would have no channel; at most MaxPlanned.
	Refusals []PlannedRefusal `json:"refusals"`
	Refused  int              `json:"refusedEdges"` // all of them
	CutOff   int              `json:"cutOffEdges"`  // those of them that have a channel now
}

// The states of a planned policy.
const (
	PolicyNew       = "new"
	PolicyChanged   = "changed"
	PolicyUnchanged = "unchanged"
	PolicyRemoved   = "removed"
)

// PlannedRule is what would change at the keys of one rule. Samples are
// delivered keys, at most a few of each.
type PlannedRule struct {
	Name    string   `json:"name"`
	Held    uint64   `json:"held"`              // before the change
	Enter   Planned  `json:"enter"`             // come to edges that do not hold them
	Leave   Planned  `json:"leave"`             // are deleted at edges
	Orphan  Planned  `json:"orphan"`            // are left to edges
	Change  Planned  `json:"change"`            // get another value
	Move    Planned  `json:"move"`              // get another key; the old one is deleted
	Refuse  Planned  `json:"refuse"`            // cannot be delivered
	Bytes   uint64   `json:"bytes"`             // of keys and values to ship, before compression
	Reasons []string `json:"reasons,omitempty"` // why keys cannot be delivered; at most a few
}

// Planned counts keys, with the first of them.
type Planned struct {
	Count   uint64   `json:"count"`
	Samples []string `json:"samples,omitempty"`
}

// Add counts a key.
func (p *Planned) Add(key string) {
	p.Count++
	if len(p.Samples) < PlanSamples && len(key) <= maxSample {
		p.Samples = append(p.Samples, key)
	}
}

// merge adds the counts of another channel.
func (p *Planned) merge(o Planned) {
	p.Count += o.Count
	p.Samples = append(p.Samples, o.Samples[:min(len(o.Samples), PlanSamples-len(p.Samples))]...)
}

// Merge adds the counts of the same rule of another channel.
func (r *PlannedRule) Merge(o PlannedRule) {
	r.Held += o.Held
	r.Bytes += o.Bytes
	r.Enter.merge(o.Enter)
	r.Leave.merge(o.Leave)
	r.Orphan.merge(o.Orphan)
	r.Change.merge(o.Change)
	r.Move.merge(o.Move)
	r.Refuse.merge(o.Refuse)
	for _, reason := range o.Reasons {
		if len(r.Reasons) < PlanSamples && !slices.Contains(r.Reasons, reason) {
			r.Reasons = append(r.Reasons, reason)
		}
	}
}

// PlannedStop is a rule of a channel at which the guard would stop.
type PlannedStop struct {
	Channel string   `json:"channel"`
	Rule    string   `json:"rule"`
	Deletes uint64   `json:"deletes"`
	Held    uint64   `json:"held"`
	Edges   []string `json:"edges"` // at most a few
}

// PlannedRefusal is an edge that would have no channel.
type PlannedRefusal struct {
	Edge   string `json:"edge"`
	Reason string `json:"reason"`
	Try    string `json:"try,omitempty"`
}

// MaxPlanned bounds the lists of a plan.
const MaxPlanned = 50

// PlanSamples is how many keys, reasons or edges a plan names where it counts
// them; longer keys than maxSample are only counted.
const (
	PlanSamples = 5
	maxSample   = 256
)

// Changes reports whether anything would change at an edge.
func (p PolicyPlan) Changes() bool {
	for _, policy := range p.Policies {
		if policy.Affected > 0 || policy.State != PolicyUnchanged {
			return true
		}
	}
	return false
}

// Stopped is the number of rules at which the guard would stop.
func (p PolicyPlan) Stopped() int {
	n := 0
	for _, policy := range p.Policies {
		n += policy.Stopped
	}
	return n
}

// CutOff is the number of edges that would lose their channel.
func (p PolicyPlan) CutOff() int {
	n := 0
	for _, policy := range p.Policies {
		n += policy.CutOff
	}
	return n
}
