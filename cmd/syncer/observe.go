package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/pairing"
	"github.com/syncer-io/syncer/replicator/status"
)

// observer reads what is known about a source on its hub. One goroutine uses
// it.
type observer struct {
	cloud   *cloud
	edge    string // "" is every edge
	reports chan *nats.Msg
	sub     *nats.Subscription
}

func newObserver(c *cloud, edge string) (*observer, error) {
	o := &observer{cloud: c, edge: edge, reports: make(chan *nats.Msg, 64)}
	var err error
	o.sub, err = c.nc.ChanSubscribe(jetstream.StatusSubject(c.cfg.Name, "*"), o.reports)
	if err != nil {
		return nil, fmt.Errorf("listen for reports: %w", err)
	}
	return o, nil
}

func (o *observer) close() { _ = o.sub.Unsubscribe() } // fails only when the connection is gone

// poll is the longest time without a look: ages grow without a report.
const poll = time.Second

// changed waits until there may be something new. It fails when ctx is done.
func (o *observer) changed(ctx context.Context) error {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-o.reports:
		o.drain()
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drain takes the reports that came together: one look sees them all.
func (o *observer) drain() {
	for {
		select {
		case <-o.reports:
		default:
			return
		}
	}
}

// view is one judged observation.
type view struct {
	now      time.Time
	list     status.List
	newest   map[string]change.Position
	exported time.Time // of the exporter's report
	edges    map[string]status.Edge
	paired   map[string]bool // edges that have joined
}

// look reads and judges, against floors unless they are nil.
func (o *observer) look(ctx context.Context, floors map[string]change.Position) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	recs, err := o.cloud.pairsOfSource(ctx)
	if err != nil {
		return view{}, err
	}
	reports, err := jetstream.ReadStatuses(ctx, o.cloud.nc, o.cloud.cfg.Name)
	if err != nil {
		return view{}, o.cloud.explain(err)
	}
	ob := status.Observation{
		Source: o.cloud.cfg.Name, Now: reports.Now, Exporter: reports.Exporter, Edges: reports.Edges, Floors: floors,
	}
	if err := o.choose(&ob, recs); err != nil {
		return view{}, err
	}
	v := view{now: ob.Now, list: status.Merge(ob), newest: ob.Newest(), edges: ob.Edges, paired: map[string]bool{}}
	for _, p := range ob.Pairs {
		v.paired[p.Name] = !p.Joined.IsZero()
	}
	if ob.Exporter != nil {
		v.exported = ob.Exporter.Reported
	}
	return v, nil
}

// choose keeps what was asked for, without what belongs to removed pairs.
func (o *observer) choose(ob *status.Observation, recs []pairing.Record) error {
	for _, r := range recs {
		if r.State == pairing.Removed {
			delete(ob.Edges, r.Name)
			continue
		}
		ob.Pairs = append(ob.Pairs, status.Pair{Name: r.Name, Policy: r.Policy, Joined: r.Used, Expires: r.Expires})
	}
	if o.edge == "" {
		return nil
	}
	var known []string
	one := status.Observation{Edges: map[string]status.Edge{}}
	for _, p := range ob.Pairs {
		known = append(known, p.Name)
		if p.Name == o.edge {
			one.Pairs = append(one.Pairs, p)
		}
	}
	for name, e := range ob.Edges {
		known = append(known, name)
		if name == o.edge {
			one.Edges[name] = e
		}
	}
	if len(one.Pairs)+len(one.Edges) == 0 {
		return unknownEdge(o.edge, known)
	}
	ob.Pairs, ob.Edges = one.Pairs, one.Edges
	return nil
}

// overtaken reports whether an edge says that it is in sync and is not counted
// as such: its next report may settle it.
func (v view) overtaken() bool {
	for _, it := range v.list.Items {
		if it.State == status.CatchingUp && v.edges[it.Name].State == status.InSync {
			return true
		}
	}
	return false
}

// gist is what a person who watches wants to hear of again.
func (v view) gist() string {
	out := v.list.Exporter.State
	for _, it := range v.list.Items {
		out += fmt.Sprintf("|%s %s %d %d %d %d", it.Name, it.State, it.AppliedRevision, it.PendingChangesets, it.RangesLeft, it.ParkedKeys)
		for _, t := range it.Tasks {
			out += " " + t.ID + string(t.State)
		}
	}
	return out
}
