package importer

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/wal"
)

// A report tells of every command that waits or runs, and of those that ended
// last, however long they ran.
func TestEveryTaskIsToldOfUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView(Config{})
		open := []string{"long"}
		v.task(command.Task{ID: "long", State: command.Running})
		for i := range maxOrders {
			open = append(open, fmt.Sprint("waiting ", i))
			v.task(command.Task{ID: open[i+1], State: command.Waiting})
		}
		for i := range 3 * maxEnded {
			_ = wait(t.Context(), time.Second) // by the clock of the bubble
			v.task(command.Task{ID: fmt.Sprint("short ", i), State: command.Done})
		}
		told := func() map[string]bool {
			out := map[string]bool{}
			for _, task := range v.status().Tasks {
				out[task.ID] = true
			}
			return out
		}
		for _, id := range open {
			if !told()[id] {
				t.Errorf("%s is not told of", id)
			}
		}
		if n := len(v.status().Tasks); n != len(open)+maxEnded {
			t.Errorf("%d tasks are told of", n)
		}
		_ = wait(t.Context(), time.Second) // by the clock of the bubble
		v.task(command.Task{ID: "long", State: command.Done})
		if is := told(); !is["long"] || is["short 16"] || !is["short 23"] {
			t.Errorf("told of are %v", is)
		}
	})
}

// standing is an importer whose comparison waits for the exporter's answer.
func standing(t *testing.T, c command.Command) (*applier, func() command.Task) {
	t.Helper()
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	inbox, _, err := wal.Open(filepath.Join(dir, "inbox.db"), wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inbox.Close() })
	im := &Importer{view: newView(Config{}), orders: newOrders(dir, logger), logger: logger, inbox: inbox}
	a := &applier{im: im, parked: newParked(nil), next: inbox.First(), keep: inbox.First()}
	a.cursor.Consistent = true
	a.comparison.ask = func(context.Context, jetstream.Request) (time.Time, error) { return time.Now(), nil }
	if err := im.Command(c); err != nil {
		t.Fatal(err)
	}
	return a, func() command.Task { return im.Status().Tasks[0] }
}

// A comparison that changes nothing ends when it does not come on, also when
// nothing at all comes from the exporter.
func TestComparisonThatStandsStillEnds(t *testing.T) {
	for _, deep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := command.New(command.Verify)
			c.Deep = deep
			a, task := standing(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- a.run(ctx, false) }()
			_ = wait(t.Context(), taskTime-time.Second) // by the clock of the bubble
			if got := task(); got.State != command.Running {
				t.Errorf("before its time it is %+v", got)
			}
			_ = wait(t.Context(), 2*time.Second) // by the clock of the bubble
			if got := task(); got.State != command.Failed || !strings.Contains(got.Reason, "no progress for 10m0s") || got.Try == "" {
				t.Errorf("after its time it is %+v", got)
			}
			if a.comparison.running() || len(a.im.orders.all()) > 0 {
				t.Error("it goes on all the same")
			}
			cancel()
			<-done
		})
	}
}

// One that comes on may take as long as it likes; one for which the source is
// read has more time for its answer while the exporter is heard.
func TestComparisonThatComesOnGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := command.New(command.Verify)
		c.Deep = true
		a, task := standing(t, c)
		step := func(d time.Duration) command.Task {
			t.Helper()
			_ = wait(t.Context(), d) // by the clock of the bubble
			if err := a.expire(); err != nil {
				t.Fatal(err)
			}
			return task()
		}
		if err := a.obey(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			a.im.view.heard(time.Now(), change.State{})
			if got := step(taskTime - time.Minute); got.State != command.Running {
				t.Fatalf("while the exporter is heard it is %+v", got)
			}
		}
		for range 9 {
			a.comparison.task.compared(a, 1, 0, nil, reached{})
			if got := step(taskTime - time.Second); got.State != command.Running {
				t.Fatalf("it comes on and is %+v", got)
			}
		}
		if got := step(2 * time.Second); got.State != command.Failed {
			t.Errorf("then it is %+v", got)
		}
	})
}

// A task that has begun ends by time also in a later session, which waits for
// the exporter; that it begins once more is no progress.
func TestComparisonEndsWhileTheExporterIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, task := standing(t, command.New(command.Diff))
		if err := a.obey(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = wait(t.Context(), taskTime/2) // by the clock of the bubble
		a.im.orders.requeue()
		next := &applier{im: a.im, parked: a.parked}
		next.cursor.Consistent = true
		for range 2 * taskTime / time.Minute {
			if err := a.im.rest(t.Context(), next, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		got := task()
		if got.State != command.Failed || got.Ended.Sub(got.Started).Round(time.Second) != taskTime {
			t.Errorf("after %v it is %+v", got.Ended.Sub(got.Started), got)
		}
		if !strings.Contains(got.Reason, "not attached to the exporter") || len(a.im.orders.all()) > 0 {
			t.Errorf("the reason is %q, %d wait", got.Reason, len(a.im.orders.all()))
		}
	})
}
