package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// TestEdgeOnKine replicates to an edge whose store is a kine: the first copy,
// changes and deletes, its restarts, and importers that die between the keys of
// one revision.
func TestEdgeOnKine(t *testing.T) {
	etcd := testbed.EtcdConfig{Fast: true}
	r := newRigOf(t, parts{binary: armedBinary, source: etcd, kine: true, join: (*rig).joins})
	r.burst(workload.Load{Ops: 500})
	r.truth.target().name = "first copy"
	r.start()
	r.prove()
	r.declaresKine()

	t.Log("changes, and restarts of the kine")
	r.truth.segment("restarts", false)
	stop := r.load(usual)
	for range 3 {
		r.truth.moves()
		if err := r.kine.Restart(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	r.truth.moves()
	stop()
	r.prove()

	t.Log("importers that die within a commit")
	r.truth.segment("crashes", true)
	stop = r.load(usual)
	for _, name := range []failpoint.Name{failpoint.TxnBefore, failpoint.TxnAfter} {
		for range 3 {
			r.importer.halt()
			p := r.importer.startAt(t, fmt.Sprintf("%s:%d", name, 3+r.random.IntN(40)))
			r.dies(p, name)
			r.truth.moves()
		}
	}
	stop()
	r.settle()
	r.truth.onKine()
	r.blamesNobody()

	t.Log("somebody edits a key at the edge")
	for key := range r.owned() {
		if _, err := r.kine.Client().Put(within(t), key, "edited"); err != nil {
			t.Fatal(err)
		}
		break
	}
	r.importer.says(t, 0, noticed)
	r.prove()
}

// noticed is how an importer notes that a key was changed at the edge.
const noticed = "the edge changed a key that is replicated"

// blamesNobody makes sure that no importer took what another wrote, before it
// died, for an edit of the edge.
func (r *rig) blamesNobody() {
	r.t.Helper()
	if text := r.importer.journal.all(); strings.Contains(text, noticed) {
		r.t.Errorf("nobody edited anything, and the importer says:\n%s", lastLines(text[:strings.Index(text, noticed)+400], 6))
	}
}

// declaresKine makes sure that nobody who asks takes the edge for more than it
// is.
func (r *rig) declaresKine() {
	r.t.Helper()
	out := r.must("status", "store-1", "-o", "json", "-c", r.path("cloud.yaml"))
	if item, err := only(out); err != nil || item.Tier != "kine" {
		r.t.Errorf("status says, with %v:\n%s", err, out)
	}
	if out := r.must("status", "-o", "wide", "-c", r.path("cloud.yaml")); !strings.Contains(string(out), " kine ") {
		r.t.Errorf("status does not show the tier:\n%s", out)
	}
	res, err := r.command(r.t.Context(), "doctor", "-c", r.path("edge", "edge.yaml"))
	if err != nil || !strings.Contains(string(res.stdout), "tier kine: it changes one key at a time") {
		r.t.Errorf("doctor says, with %v:\n%s%s", err, res.stdout, res.stderr)
	}
	r.importer.says(r.t, 0, "the target is a kine")
}

// segment begins another record of the target, from what it holds now.
func (tr *truth) segment(name string, crashed bool) {
	tr.r.t.Helper()
	tr.catchUp(tr.target())
	tr.breakTarget(func(context.Context) error { return nil })
	tr.target().name, tr.target().crashed = name, crashed
}

// onKine holds each guarantee that is given on a kine, by its name, against what
// was recorded. What a crash cut off is written again, not always in the same
// steps.
func (tr *truth) onKine() {
	type guarantees map[string]func(guarantee.Case) error
	anywhere := guarantees{"Prefix": guarantee.Prefix, "Ordered": guarantee.Ordered, "Contained": guarantee.Contained}
	uninterrupted := guarantees{"Once": guarantee.Once, "Resumable": guarantee.Resumable}
	final := guarantees{"Convergent": guarantee.Convergent}
	hold := func(when string, of guarantees, c guarantee.Case) {
		for name, holds := range of {
			tr.r.t.Run(name+"/"+when, func(t *testing.T) {
				if err := holds(c); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for i, s := range tr.targets {
		c := tr.caseOf(s)
		hold(s.name, anywhere, c)
		if i == len(tr.targets)-1 {
			hold(s.name, final, c)
		}
		if !s.crashed {
			c.Target = folded(c.Target)
			hold(s.name, uninterrupted, c)
		}
	}
}

// folded is a history of a kine in whole commits: the cursor that announces one,
// its keys, and the cursor behind them are one revision.
func folded(h history.History) history.History {
	out := history.History{Base: h.Base, Content: h.Content}
	open := map[string]history.Event{}
	for _, rev := range h.Revs {
		ends := false
		for _, e := range rev.Events {
			var c target.Cursor
			isCursor := e.Key == cursorKey.String() && json.Unmarshal([]byte(e.Value), &c) == nil
			if isCursor && c.Ahead > c.Revision {
				continue
			}
			open[e.Key], ends = e, ends || isCursor
		}
		if !ends {
			continue
		}
		out.Revs = append(out.Revs, history.Rev{Revision: rev.Revision, Events: slices.Collect(maps.Values(open))})
		clear(open)
	}
	return out
}
