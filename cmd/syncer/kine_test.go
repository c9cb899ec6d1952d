package main_test

import (
	"context"
	"encoding/json"
	"errors"
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
	r.start()
	r.prove()
	r.declaresKine()

	t.Log("changes, and restarts of the kine")
	r.truth.segment(false)
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
	r.truth.segment(true)
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
func (tr *truth) segment(crashed bool) {
	tr.r.t.Helper()
	tr.catchUp(tr.target())
	tr.breakTarget(func(context.Context) error { return nil })
	tr.target().crashed = crashed
}

// onKine is every guarantee that is given on a kine. What a crash cut off is
// written again, not always in the same steps.
func onKine(crashed, final bool) func(guarantee.Case) error {
	return func(c guarantee.Case) error {
		err := errors.Join(guarantee.Prefix(c), guarantee.Ordered(c), guarantee.Contained(c))
		if final {
			err = errors.Join(err, guarantee.Convergent(c))
		}
		if !crashed {
			c.Target = folded(c.Target)
			err = errors.Join(err, guarantee.Once(c), guarantee.Resumable(c))
		}
		return err
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
