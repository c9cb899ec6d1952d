package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
)

// ReportInterval is the longest pause between two reports of a healthy edge.
const ReportInterval = 2 * time.Second

// patience is how many reports may be missing, and margin how late the next
// may be, before whoever sends them counts as silent.
const (
	patience = 3
	margin   = 2 * time.Second
)

// Pair is what the registry of pairs says about an edge that is not removed.
type Pair struct {
	Name    string
	Policy  string
	Joined  time.Time // zero: the token was not used yet
	Expires time.Time // of the token
}

// Observation is everything that is known about a source at one moment. All
// times are of one clock, the hub's: an edge's own may be wrong.
type Observation struct {
	Source   string
	Now      time.Time
	Exporter *Exporter       // nil: it has never reported
	Edges    map[string]Edge // newest reports by name
	Pairs    []Pair
	// Floors are positions by channel at which an edge must have proven its
	// contents, or later, to be called in sync. A channel without a floor uses its newest change. A
	// floor that is a few heartbeats old keeps a change that is on its way
	// from being called a lag.
	Floors map[string]change.Position
}

// Merge judges an observation. What an edge says about itself is believed when
// it is bad news; that it is in sync is believed only together with a fresh
// report of the exporter that does not contradict it.
func Merge(o Observation) List {
	list := List{
		Source:   o.sourceView(),
		Exporter: o.exporterView(),
		Items:    make([]Item, 0, len(o.Pairs)),
	}
	for _, p := range o.Pairs {
		list.Items = append(list.Items, o.item(p))
	}
	for name, e := range o.Edges {
		if !slices.ContainsFunc(o.Pairs, func(p Pair) bool { return p.Name == name }) {
			list.Items = append(list.Items, o.unpaired(e))
		}
	}
	slices.SortFunc(list.Items, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// item judges one pair by the first rule that speaks.
func (o Observation) item(p Pair) Item {
	e, reported := o.Edges[p.Name]
	if !reported || p.Joined.IsZero() || e.Reported.Before(p.Joined) || e.policy() != p.Policy {
		return o.unheard(p)
	}
	it := o.measure(e)
	for _, rule := range []func(*Item, Edge) bool{o.silent, o.parked, o.starved, o.ownTrouble, o.noExporter, o.noChannel, o.ailing, o.otherLineage, o.behind} {
		if rule(&it, e) {
			break
		}
	}
	return it
}

// policy is the name of the edge's policy. An edge of an older version tells of
// its channel only, which then has the policy's name.
func (e Edge) policy() string { return cmp.Or(e.Policy, e.Channel) }

// refusal is why the exporter has no channel for an edge.
func (o Observation) refusal(edge string) (Refusal, bool) {
	if o.Exporter != nil {
		for _, r := range o.Exporter.Refusals {
			if r.Edge == edge {
				return r, true
			}
		}
	}
	return Refusal{}, false
}

// unheard is an edge that has said nothing since it was paired.
func (o Observation) unheard(p Pair) Item {
	it := Item{Name: p.Name, Policy: p.Policy, State: Disconnected}
	refusal, refused := o.refusal(p.Name)
	switch {
	case refused:
		it.Reason, it.Try = refusal.Reason, refusal.Try
	case p.Joined.IsZero() && !o.Now.Before(p.Expires):
		it.Reason = "it has not joined, and its token expired at " + stamp(p.Expires)
		it.Try = fmt.Sprintf("syncer pair create %s --policy %s --replace", p.Name, p.Policy)
	case p.Joined.IsZero():
		it.Reason = "it has not joined yet; its token is valid until " + stamp(p.Expires)
		it.Try = "run syncer join at the edge"
	default:
		it.Reason = fmt.Sprintf("it joined %s ago and has never reported", Ago(o.Now.Sub(p.Joined)))
		it.Try = "start it at the edge: syncer import -c edge.yaml"
	}
	return it
}

// unpaired is an edge that reported and that the registry does not know.
func (o Observation) unpaired(e Edge) Item {
	it := o.measure(e)
	it.accuse(Disconnected, "the hub knows no pair of this name, so the edge is not let in",
		fmt.Sprintf("syncer pair create %s --policy %s, then syncer join at the edge", e.Name, e.policy()))
	return it
}

func (o Observation) silent(it *Item, e Edge) bool {
	age := o.Now.Sub(e.Reported)
	if age <= patience*ReportInterval+margin {
		return false
	}
	reason := fmt.Sprintf("no report for %s; the last one said %s", Ago(age), e.State)
	if e.Reason != "" {
		reason += ": " + e.Reason
	}
	it.accuse(Disconnected, reason, "see that the edge is up, that syncer import runs there, and that it reaches the hub")
	return true
}

// parked holds the parked keys of an edge against what it says.
func (o Observation) parked(it *Item, e Edge) bool {
	it.unparked()
	return it.State != e.State
}

// starved is an edge that hears nothing, or waits to be attached, because its
// channel fails: why, the exporter knows and the edge does not.
func (o Observation) starved(it *Item, e Edge) bool {
	return (e.State == Stale || e.State == Disconnected) && o.exporterView().State == ExporterActive && o.ailing(it, e)
}

// ownTrouble believes whatever an edge says that is worse than a lag.
func (o Observation) ownTrouble(_ *Item, e Edge) bool {
	return e.State != InSync && e.State != CatchingUp && e.State != Bootstrapping
}

func (o Observation) noExporter(it *Item, _ Edge) bool {
	v := o.exporterView()
	if v.State == ExporterActive {
		return false
	}
	it.accuse(Stale, "what the source holds now is not known: "+v.Reason, v.Try)
	return true
}

func (o Observation) noChannel(it *Item, e Edge) bool {
	if _, found := o.channel(e.Channel); found {
		return false
	}
	it.accuse(Stale, fmt.Sprintf("the exporter does not publish channel %s", e.Channel),
		"see the exporter's log; if its policy was taken out, put it back or pair the edge with another one")
	return true
}

func (o Observation) ailing(it *Item, e Edge) bool {
	c, _ := o.channel(e.Channel)
	if c.Trouble == "" {
		return false
	}
	it.accuse(Stale, fmt.Sprintf("channel %s fails at the exporter: %s", c.Name, c.Trouble), cmp.Or(c.Try, "see the exporter's log"))
	return true
}

func (o Observation) otherLineage(it *Item, e Edge) bool {
	c, _ := o.channel(e.Channel)
	if e.State == Bootstrapping || e.Lineage == c.Lineage {
		return e.State == Bootstrapping
	}
	it.accuse(ResyncNeeded, fmt.Sprintf("it follows lineage %s, and the source is at lineage %s", orNone(e.Lineage), c.Lineage),
		"wait: the edge compares contents by itself once it hears of the new lineage")
	return true
}

func (o Observation) behind(it *Item, e Edge) bool {
	floor := o.floor(e.Channel)
	switch {
	case e.State != InSync:
	case !e.Consistent || e.VerifiedRevision == 0:
		it.accuse(CatchingUp, "waiting for the first proof of equality", "")
	case e.AppliedRevision < floor:
		it.accuse(CatchingUp, fmt.Sprintf("revision %d is published and not applied yet", floor), "")
	case e.VerifiedRevision < floor:
		it.accuse(CatchingUp, fmt.Sprintf("revision %d is applied and not verified yet", floor), "")
	}
	return true
}

// floor is what an edge of the channel must have applied and verified.
func (o Observation) floor(channel string) int64 {
	c, _ := o.channel(channel)
	if f, ok := o.Floors[channel]; ok {
		if f.Lineage == c.Lineage {
			return f.Revision
		}
	}
	return c.Changed
}

// Newest gives the newest change of every channel: the floors of a later
// observation.
func (o Observation) Newest() map[string]change.Position {
	out := map[string]change.Position{}
	if o.Exporter == nil {
		return out
	}
	for _, c := range o.Exporter.Channels {
		out[c.Name] = change.Position{Lineage: c.Lineage, Revision: c.Changed}
	}
	return out
}

func (o Observation) channel(name string) (Channel, bool) {
	if o.Exporter != nil {
		for _, c := range o.Exporter.Channels {
			if c.Name == name {
				return c, true
			}
		}
	}
	return Channel{}, false
}

// Ago is a time as people say it: one unit, never negative.
func Ago(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func orNone(l change.Lineage) string {
	if l.IsZero() {
		return "(none)"
	}
	return l.String()
}
