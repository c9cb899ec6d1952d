package status

import (
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
)

var (
	noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	one  = change.Lineage{1}
	two  = change.Lineage{2}
)

// healthy is an edge and an exporter that agree.
func healthy() Observation {
	return Observation{
		Source: "cloud",
		Now:    noon,
		Exporter: &Exporter{
			Source: "cloud", Role: "active", Reported: noon.Add(-time.Second), Interval: 2, SourceRevision: 120,
			Channels: []Channel{{Name: "flags", Lineage: one, Revision: 120, Changed: 100, Keys: 3}},
		},
		Pairs: []Pair{{Name: "store-1", Policy: "flags", Joined: noon.Add(-time.Hour), Expires: noon}},
		Edges: map[string]Edge{"store-1": {
			Name: "store-1", Source: "cloud", Channel: "flags", State: InSync, Lineage: one, Tier: "etcd",
			AppliedRevision: 110, VerifiedRevision: 110, SourceRevision: 110, Consistent: true,
			Reported: noon.Add(-time.Second),
		}},
	}
}

// edge changes the only edge.
func (o *Observation) edge(fn func(*Edge)) {
	e := o.Edges["store-1"]
	fn(&e)
	o.Edges["store-1"] = e
}

type mergeCase struct {
	change func(*Observation)
	state  State
	reason string
}

func TestMerge(t *testing.T) {
	cases := map[string]mergeCase{
		"healthy":                   {func(*Observation) {}, InSync, ""},
		"just in time":              {func(o *Observation) { o.edge(func(e *Edge) { e.Reported = noon.Add(-8 * time.Second) }) }, InSync, ""},
		"silent edge":               {func(o *Observation) { o.edge(func(e *Edge) { e.Reported = noon.Add(-9 * time.Second) }) }, Disconnected, "no report for 9s; the last one said in-sync"},
		"clock of the future":       {func(o *Observation) { o.edge(func(e *Edge) { e.Reported = noon.Add(time.Hour) }) }, InSync, ""},
		"never reported":            {func(o *Observation) { delete(o.Edges, "store-1") }, Disconnected, "joined 1h ago and has never reported"},
		"not joined":                {func(o *Observation) { o.Pairs[0].Joined, o.Pairs[0].Expires = time.Time{}, noon.Add(time.Minute) }, Disconnected, "not joined yet"},
		"token expired":             {func(o *Observation) { o.Pairs[0].Joined = time.Time{} }, Disconnected, "its token expired"},
		"report of the pair before": {func(o *Observation) { o.Pairs[0].Joined = noon }, Disconnected, "joined 0s ago and has never reported"},
		"report of another channel": {func(o *Observation) { o.edge(func(e *Edge) { e.Channel = "old" }) }, Disconnected, "never reported"},
		"exporter never seen":       {func(o *Observation) { o.Exporter = nil }, Stale, "no exporter of source cloud has ever reported"},
		"exporter silent":           {func(o *Observation) { o.Exporter.Reported = noon.Add(-9 * time.Second) }, Stale, "the exporter has not reported for 9s"},
		"exporter with long pauses": {func(o *Observation) { o.Exporter.Reported, o.Exporter.Interval = noon.Add(-time.Minute), 30 }, InSync, ""},
		"its channel fails":         {func(o *Observation) { o.Exporter.Channels[0] = Channel{Name: "flags", Trouble: "permission denied"} }, Stale, "channel flags fails at the exporter: permission denied"},
		"hears nothing as its channel fails": {func(o *Observation) {
			o.Exporter.Channels[0].Trouble = "the source does not answer"
			o.edge(func(e *Edge) { e.State, e.Reason = Stale, "the exporter is silent" })
		}, Stale, "channel flags fails at the exporter: the source does not answer"},
		"waits to be attached as its channel fails": {func(o *Observation) {
			o.Exporter.Channels[0].Trouble = "the source does not answer"
			o.edge(func(e *Edge) { e.State, e.Reason = Disconnected, "not attached to the exporter yet" })
		}, Stale, "channel flags fails at the exporter: the source does not answer"},
		"hears nothing":               {func(o *Observation) { o.edge(func(e *Edge) { e.State, e.Reason = Stale, "the exporter is silent" }) }, Stale, "the exporter is silent"},
		"no such channel":             {func(o *Observation) { o.Exporter.Channels = nil }, Stale, "does not publish channel flags"},
		"other lineage":               {func(o *Observation) { o.edge(func(e *Edge) { e.Lineage = two }) }, ResyncNeeded, "it follows lineage"},
		"no lineage":                  {func(o *Observation) { o.edge(func(e *Edge) { e.Lineage = change.Lineage{} }) }, ResyncNeeded, "lineage (none)"},
		"behind":                      {func(o *Observation) { o.edge(func(e *Edge) { e.AppliedRevision = 99 }) }, CatchingUp, "revision 100 is published and not applied yet"},
		"not verified":                {func(o *Observation) { o.edge(func(e *Edge) { e.VerifiedRevision = 99 }) }, CatchingUp, "revision 100 is applied and not verified yet"},
		"never verified":              {func(o *Observation) { o.edge(func(e *Edge) { e.VerifiedRevision = 0 }) }, CatchingUp, "first proof"},
		"claims without a whole copy": {func(o *Observation) { o.edge(func(e *Edge) { e.Consistent = false }) }, CatchingUp, "first proof"},
		"change on its way": {func(o *Observation) {
			o.Exporter.Channels[0].Changed = 119
			o.Floors = map[string]change.Position{"flags": {Lineage: one, Revision: 105}}
		}, InSync, ""},
		"behind an old floor": {func(o *Observation) {
			o.Floors = map[string]change.Position{"flags": {Lineage: one, Revision: 111}}
		}, CatchingUp, "revision 111"},
		"floor of another lineage": {func(o *Observation) {
			o.Floors = map[string]change.Position{"flags": {Lineage: two, Revision: 5000}}
		}, InSync, ""},
		"halted":                        {func(o *Observation) { o.edge(func(e *Edge) { e.State, e.Reason = Halted, "no space" }) }, Halted, "no space"},
		"halted, exporter away":         {func(o *Observation) { o.Exporter = nil; o.edge(func(e *Edge) { e.State = Halted }) }, Halted, ""},
		"bootstrapping":                 {func(o *Observation) { o.edge(func(e *Edge) { e.State, e.Lineage = Bootstrapping, two }) }, Bootstrapping, ""},
		"bootstrapping, exporter away":  {func(o *Observation) { o.Exporter = nil; o.edge(func(e *Edge) { e.State = Bootstrapping }) }, Stale, "no exporter"},
		"catching up":                   {func(o *Observation) { o.edge(func(e *Edge) { e.State, e.Reason = CatchingUp, "busy" }) }, CatchingUp, "busy"},
		"an unknown state is no health": {func(o *Observation) { o.edge(func(e *Edge) { e.State = "excellent" }) }, "excellent", ""},
		"degraded": {func(o *Observation) {
			o.edge(func(e *Edge) { e.State, e.Reason, e.ParkedKeys = Degraded, "1 key is parked", 1 })
		}, Degraded, "1 key is parked"},
		"paused": {func(o *Observation) { o.edge(func(e *Edge) { e.State, e.Reason = Paused, "paused by an operator" }) }, Paused, "paused by an operator"},
		"paused while the exporter is away": {func(o *Observation) {
			o.Exporter = nil
			o.edge(func(e *Edge) { e.State, e.Reason = Paused, "paused by an operator" })
		}, Paused, "paused by an operator"},
		"in sync with parked keys": {func(o *Observation) { o.edge(func(e *Edge) { e.ParkedKeys = 3 }) }, Degraded, "3 keys are parked"},
		"in sync with a parked group": {func(o *Observation) {
			o.edge(func(e *Edge) { e.Parked = []Parked{{ID: "g1", Why: TooLarge, Keys: 1}} })
		}, Degraded, "1 key is parked"},
		"in sync with a mass delete": {func(o *Observation) {
			o.edge(func(e *Edge) { e.Parked = []Parked{{ID: "g1", Why: MassDelete, Rule: "flags", Keys: 30}} })
		}, Halted, "the mass-delete guard stopped rule flags"},
		"degraded with a mass delete": {func(o *Observation) {
			o.edge(func(e *Edge) { e.State, e.Parked = Degraded, []Parked{{ID: "g1", Why: MassDelete, Keys: 30}} })
		}, Halted, "the mass-delete guard stopped deletes"},
		"a dropped mass delete": {func(o *Observation) {
			o.edge(func(e *Edge) { e.Parked = []Parked{{ID: "g1", Why: MassDelete, Keys: 30, Dropped: true}} })
		}, Degraded, "30 keys are parked"},
		"catching up with parked keys": {func(o *Observation) {
			o.edge(func(e *Edge) { e.State, e.Reason, e.ParkedKeys = CatchingUp, "busy", 1 })
		}, CatchingUp, "busy"},
		"silent with a mass delete": {func(o *Observation) {
			o.edge(func(e *Edge) {
				e.State, e.Reported, e.Parked = Halted, noon.Add(-time.Minute), []Parked{{ID: "g1", Why: MassDelete, Keys: 30}}
			})
		}, Disconnected, "the last one said halted"},
		"no pair": {func(o *Observation) { o.Pairs = nil }, Disconnected, "knows no pair"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := healthy()
			c.change(&o)
			list := Merge(o)
			if len(list.Items) != 1 {
				t.Fatalf("%d items", len(list.Items))
			}
			it := list.Items[0]
			if it.State != c.state || !strings.Contains(it.Reason, c.reason) {
				t.Errorf("state %s (%s), want %s (%s)", it.State, it.Reason, c.state, c.reason)
			}
			if it.State == InSync && (it.Reason != "" || it.Try != "") {
				t.Errorf("in-sync with reason %q, try %q", it.Reason, it.Try)
			}
		})
	}
}

func TestMergeCarriesWhatIsParkedAndAsked(t *testing.T) {
	o := healthy()
	o.edge(func(e *Edge) {
		e.State, e.Reason = Halted, "the guard asks"
		e.Parked = []Parked{{ID: "g1", Why: MassDelete, Rule: "flags", Keys: 30, Of: 100}}
		e.ParkedKeys, e.Tasks = 40, []command.Task{{ID: "t1", Verb: command.Verify, State: command.Running}}
	})
	it := Merge(o).Items[0]
	if !it.Guarded() || len(it.Parked) != 1 || it.ParkedKeys != 40 || len(it.Tasks) != 1 || it.Tasks[0].ID != "t1" {
		t.Errorf("got %+v", it)
	}
	o.edge(func(e *Edge) { e.Reported = noon.Add(-time.Minute) })
	if it := Merge(o).Items[0]; it.Guarded() || len(it.Parked) != 1 {
		t.Error("a report that is not believed counts as a stop of the guard")
	}
}

func TestOwnIsWhatTheEdgeSays(t *testing.T) {
	e := healthy().Edges["store-1"]
	if it := Own(e); it.State != InSync || it.Name != "store-1" || *it.AgeSeconds != 0 {
		t.Errorf("got %+v", it)
	}
	e.ParkedKeys = 1
	if it := Own(e); it.State != Degraded || it.Reason == "" {
		t.Errorf("with a parked key: %s (%s)", it.State, it.Reason)
	}
}

func TestMergeMeasuresTheLag(t *testing.T) {
	o := healthy()
	o.Exporter.Channels[0].Changed = 117
	o.edge(func(e *Edge) { e.State, e.LagSeconds = CatchingUp, 3 })
	it := Merge(o).Items[0]
	if *it.LagRevisions != 7 || *it.LagSeconds != 4 || it.SourceRevision != 120 || *it.AgeSeconds != 1 {
		t.Errorf("lag %d revisions, %v s of source revision %d, age %v", *it.LagRevisions, *it.LagSeconds, it.SourceRevision, *it.AgeSeconds)
	}
	o.edge(func(e *Edge) { e.AppliedRevision = 120 })
	if it := Merge(o).Items[0]; *it.LagRevisions != 0 || *it.LagSeconds != 0 {
		t.Errorf("nothing is missing, and the lag is %d revisions, %v s", *it.LagRevisions, *it.LagSeconds)
	}
	o.edge(func(e *Edge) { e.Lineage = two })
	if it := Merge(o).Items[0]; it.LagRevisions != nil || it.LagSeconds != nil {
		t.Error("revisions of two lineages were compared")
	}
}

func TestMergeSortsAndTakesEverybody(t *testing.T) {
	o := healthy()
	o.Pairs = append(o.Pairs, Pair{Name: "a-store", Policy: "flags", Expires: noon})
	o.Edges["b-store"] = Edge{Name: "b-store", Channel: "flags"}
	var names []string
	for _, it := range Merge(o).Items {
		names = append(names, it.Name)
	}
	if got := strings.Join(names, " "); got != "a-store b-store store-1" {
		t.Errorf("items are %s", got)
	}
}

func TestNewestIsWhatTheExporterChanged(t *testing.T) {
	o := healthy()
	if got := o.Newest()["flags"]; got != (change.Position{Lineage: one, Revision: 100}) {
		t.Errorf("newest is %v", got)
	}
	o.Exporter = nil
	if len(o.Newest()) != 0 {
		t.Error("newest without an exporter")
	}
}
