package importer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/command"
)

// A paused edge that cannot attach rests, whatever somebody changes there.
func TestPausedEdgeRests(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	if err := s.setPaused(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	s.edit("/flags/01", "mine")
	if err := s.sight.wait(t.Context()); err != nil { // it is told of, and not dealt with
		t.Fatal(err)
	}
	if err := s.im.rest(t.Context(), s.applier, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.im.rest(ctx, s.applier, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a rest that was called off: %v", err)
	}
	s.wantValue("/flags/01", "mine")
}

// While an edge is paused, nothing is due of what is fought over there.
func TestPausedEdgeLeavesFights(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	for i := range fightTimes + 2 {
		s.edit("/flags/01", fmt.Sprint("mine ", i))
		s.look()
	}
	fights := func() bool {
		due, stop := s.due()
		defer stop()
		return due != nil
	}
	if !fights() {
		t.Fatal("nobody fights")
	}
	if err := s.setPaused(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if fights() {
		t.Error("it would wake up for a fight that it leaves alone")
	}
}

// A comparison that waits for a repair stands still only when the repair does.
func TestComparisonThatWaitsForARepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, task := standing(t, command.New(command.Verify))
		if err := a.obey(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.cursor.Consistent = false
		a.comparison.differs(a) // a repair comes first, and the verify waits
		for range 4 {
			if err := wait(t.Context(), taskTime/2); err != nil {
				t.Fatal(err)
			}
			a.im.pace.move() // as each chunk does
			if err := a.expire(); err != nil {
				t.Fatal(err)
			}
		}
		if s := task().State; s == command.Failed {
			t.Errorf("it failed while the repair came on: %+v", task())
		}
	})
}
