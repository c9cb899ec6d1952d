package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// observer sees every change of the objects that an edge holds.
type observer struct {
	s        *site
	recorder *history.Recorder
}

// line is one change at the edge.
type line struct {
	key, value string
	gone       bool
}

func (s *site) observe() observer {
	s.t.Helper()
	r, err := history.Record(s.t.Context(), s.target.Client())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return observer{s: s, recorder: r}
}

// lines are the changes so far, in their order.
func (o observer) lines() []line { return linesOf(o.recorder.History()) }

func linesOf(h history.History) (out []line) {
	for _, r := range h.Revs {
		for _, e := range r.Events {
			if strings.HasPrefix(e.Key, "/kubernetes/") {
				out = append(out, line{key: e.Key, value: e.Value, gone: e.Delete})
			}
		}
	}
	return out
}

// wait waits until there is a change that is wanted.
func (o observer) wait(wanted func(line) bool) {
	o.s.t.Helper()
	ctx, cancel := context.WithTimeout(o.s.t.Context(), 30*time.Second)
	defer cancel()
	err := o.recorder.WaitFor(ctx, func(h history.History) bool {
		for _, l := range linesOf(h) {
			if wanted(l) {
				return true
			}
		}
		return false
	})
	if err != nil {
		o.s.t.Fatalf("%v; the changes: %v", err, o.lines())
	}
}
