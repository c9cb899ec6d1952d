package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
)

// List is the judged status of a source and its edges.
type List struct {
	Source   SourceView   `json:"source"`
	Exporter ExporterView `json:"exporter"`
	Items    []Item       `json:"items"`
}

// SourceView is the source as its exporter last saw it.
type SourceView struct {
	Name     string    `json:"name"`
	Tier     string    `json:"tier,omitempty"` // what it can give
	Revision int64     `json:"revision"`
	Channels []Channel `json:"channels"`
}

// The states of an exporter.
const (
	ExporterActive = "active" // it reports
	ExporterSilent = "silent" // it has reported, and does not any more
	ExporterUnseen = "unseen" // it has never reported
)

// ExporterView is the judged exporter.
type ExporterView struct {
	State      string   `json:"state"`
	Instance   string   `json:"instance,omitempty"`
	Version    string   `json:"version,omitempty"`
	AgeSeconds *float64 `json:"ageSeconds"` // of its report; null without one
	Reason     string   `json:"reason,omitempty"`
	Try        string   `json:"try,omitempty"`
}

// Item is one judged edge. Revisions are those of the source.
type Item struct {
	Name    string `json:"name"`
	Policy  string `json:"policy"`  // by name
	Channel string `json:"channel"` // whose frames the edge is fed; "" before it attached
	State   State  `json:"state"`
	Reason  string `json:"reason,omitempty"` // set when the state is not in-sync
	Try     string `json:"try,omitempty"`

	Lineage         change.Lineage `json:"lineage"`
	AppliedRevision int64          `json:"appliedRevision"`
	SourceRevision  int64          `json:"sourceRevision"`
	// LagRevisions and LagSeconds are null when they cannot be known. They
	// are 0 when nothing of the channel is missing.
	LagRevisions      *int64   `json:"lagRevisions"`
	LagSeconds        *float64 `json:"lagSeconds"`
	PendingChangesets int      `json:"pendingChangesets"`
	PendingBytes      int64    `json:"pendingBytes"`
	VerifiedRevision  int64    `json:"verifiedRevision"` // newest at which the digests were equal
	Keys              uint64   `json:"keys"`
	AgeSeconds        *float64 `json:"ageSeconds"` // of the edge's report; null without one
	Tier              string   `json:"tier"`

	RangesLeft int   `json:"rangesLeft"`
	BytesLeft  int64 `json:"bytesLeft"`

	Gaps       int64 `json:"gaps"`
	Resyncs    int64 `json:"resyncs"`
	Torn       int64 `json:"torn"`
	Replayed   int64 `json:"replayed"`
	Mismatches int64 `json:"mismatches"`

	// Parked are the oldest parked groups, ParkedKeys counts the keys of all.
	Parked     []Parked `json:"parked"`
	ParkedKeys int      `json:"parkedKeys"`
	// LocalKeys hold what the edge made of them, as their rules say. Conflicts
	// counts the changes of the edge that met the source's, by type.
	LocalKeys int              `json:"localKeys"`
	Conflicts map[string]int64 `json:"conflicts,omitempty"`
	// Refused is how many objects of the source cannot be read.
	Refused uint64         `json:"refused"`
	Tasks   []command.Task `json:"tasks"` // the newest commands, oldest first

	Instance string `json:"instance,omitempty"`
	Version  string `json:"version,omitempty"`
}

// Guarded reports whether the mass-delete guard has stopped a rule of the edge,
// by a report that is believed: deletes wait for somebody to approve them.
func (it *Item) Guarded() bool { return it.State == Halted && len(Guarded(it.Parked)) > 0 }

// Guarded are the groups that the mass-delete guard parked and that nobody has
// dropped.
func Guarded(parked []Parked) []Parked {
	var out []Parked
	for _, p := range parked {
		if p.Why == MassDelete && !p.Dropped {
			out = append(out, p)
		}
	}
	return out
}

// accuse sets a worse state than the edge claims.
func (it *Item) accuse(s State, reason, try string) {
	it.State, it.Reason, it.Try = s, reason, try
}

func (o Observation) sourceView() SourceView {
	v := SourceView{Name: o.Source, Channels: []Channel{}}
	if o.Exporter != nil {
		v.Revision, v.Tier = o.Exporter.SourceRevision, o.Exporter.Tier
		v.Channels = append(v.Channels, o.Exporter.Channels...)
	}
	return v
}

func (o Observation) exporterView() ExporterView {
	x := o.Exporter
	if x == nil {
		return ExporterView{
			State:  ExporterUnseen,
			Reason: fmt.Sprintf("no exporter of source %s has ever reported to this hub", o.Source),
			Try:    "syncer export -c cloud.yaml",
		}
	}
	age := o.Now.Sub(x.Reported)
	v := ExporterView{State: ExporterActive, Instance: x.Instance, Version: x.Version, Reason: x.Reason, AgeSeconds: seconds(age)}
	interval := time.Duration(x.Interval * float64(time.Second))
	if age > patience*interval+margin {
		v.State = ExporterSilent
		v.Reason = fmt.Sprintf("the exporter has not reported for %s", Ago(age))
		v.Try = "see that syncer export runs, and its log: it reports while it reaches the hub"
	}
	return v
}

// measure is what the edge says about itself, with lags and ages as of now.
func (o Observation) measure(e Edge) Item {
	age := o.Now.Sub(e.Reported)
	it := Item{
		Name: e.Name, Policy: e.policy(), Channel: e.Channel, State: e.State, Reason: e.Reason, Try: e.Try,
		Lineage: e.Lineage, AppliedRevision: e.AppliedRevision, SourceRevision: e.SourceRevision,
		PendingChangesets: e.PendingChanges, PendingBytes: e.PendingBytes,
		VerifiedRevision: e.VerifiedRevision, Keys: e.Keys, AgeSeconds: seconds(age), Tier: e.Tier,
		RangesLeft: e.RangesLeft, BytesLeft: e.BytesLeft,
		Gaps: e.Gaps, Resyncs: e.Resyncs, Torn: e.Torn, Replayed: e.Replayed, Mismatches: e.Mismatches,
		Parked: append([]Parked{}, e.Parked...), ParkedKeys: parkedKeys(e), LocalKeys: e.LocalKeys, Conflicts: e.Conflicts, Refused: e.Refused, Tasks: append([]command.Task{}, e.Tasks...),
		Instance: e.Instance, Version: e.Version,
	}
	c, found := o.channel(e.Channel)
	if !found || c.Lineage != e.Lineage {
		return it
	}
	it.SourceRevision = max(c.Revision, e.SourceRevision)
	missing := max(c.Changed-e.AppliedRevision, 0)
	it.LagRevisions, it.LagSeconds = &missing, seconds(0)
	if missing > 0 {
		it.LagSeconds = seconds(time.Duration(e.LagSeconds*float64(time.Second)) + age)
	}
	return it
}

// parkedKeys is the number of parked keys: never less than the groups hold.
func parkedKeys(e Edge) int {
	sum := 0
	for _, p := range e.Parked {
		sum += p.Keys
	}
	return max(sum, e.ParkedKeys)
}

// Own is what an edge says about itself, when the edge itself is asked: there
// is nothing to hold it against. Even so it is not in sync with parked keys.
func Own(e Edge) Item {
	it := Observation{Now: e.Reported}.measure(e)
	it.unparked()
	return it
}

// unparked takes the claim to be in sync from an edge with parked keys.
func (it *Item) unparked() {
	guarded := Guarded(it.Parked)
	switch {
	case len(guarded) > 0 && (it.State == InSync || it.State == Degraded):
		it.accuse(Halted, "the mass-delete guard stopped "+rules(guarded),
			fmt.Sprintf("syncer parked list %s, then, if the deletes are right: syncer resync %s --approve", it.Name, it.Name))
	case it.ParkedKeys > 0 && it.State == InSync:
		it.accuse(Degraded, fmt.Sprintf("%s parked", Count(uint64(it.ParkedKeys), "key is", "keys are")), "syncer parked list "+it.Name)
	case it.Refused > 0 && it.State == InSync:
		it.accuse(Degraded, RefusedReason(it.Refused), refusedTry)
	}
}

const refusedTry = "syncer status -o json tells which, and why, under channels"

// RefusedReason says that a number of objects of the source cannot be read.
func RefusedReason(n uint64) string {
	return Count(n, "object of the source cannot be read; what the edge holds of it may be old",
		"objects of the source cannot be read; what the edge holds of them may be old")
}

// rules names the rules of parked groups.
func rules(groups []Parked) string {
	var names []string
	for _, g := range groups {
		if g.Rule != "" && !slices.Contains(names, g.Rule) {
			names = append(names, g.Rule)
		}
	}
	if len(names) == 0 {
		return "deletes"
	}
	if len(names) == 1 {
		return "rule " + names[0]
	}
	return "rules " + strings.Join(names, ", ")
}

// Count is a number with its noun.
func Count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// seconds is a time for people and their tools: milliseconds are enough.
func seconds(d time.Duration) *float64 {
	s := max(d, 0).Round(time.Millisecond).Seconds()
	return &s
}
