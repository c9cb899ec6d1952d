package importer

import (
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// decide has somebody decide about keys, and gives the task.
func (s *site) decide(take command.Take, change func(*command.Command), keys ...string) command.Task {
	s.t.Helper()
	c := command.New(command.Resolve)
	c.Take = take
	for _, k := range keys {
		c.Keys = append(c.Keys, []byte(k))
	}
	if change != nil {
		change(&c)
	}
	if err := c.Check(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.im.orders.add(c); err != nil {
		s.t.Fatal(err)
	}
	if err := s.obey(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	tasks := s.im.Status().Tasks
	return tasks[len(tasks)-1]
}

func (s *site) wantDone(task command.Task) {
	s.t.Helper()
	if task.State != command.Done || task.Keys != 1 {
		s.t.Errorf("the task is %+v", task)
	}
	if open, err := s.im.ledger.List(ledger.Filter{Open: true}); err != nil || len(open) != 0 {
		s.t.Errorf("open conflicts: %+v, %v", open, err)
	}
}

// What is held gets what somebody decides: the source's value, without a hub.
func TestResolveTakesTheSource(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"))
	s.wantDone(s.decide(command.TakeSource, nil, "/flags/01"))
	s.wantValue("/flags/01", "new")
	s.wantParked(nil)
	s.wantEqual(putOf("/flags/01", "new"))
}

func TestResolveTakesTheEdge(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.wantDone(s.decide(command.TakeEdge, nil, "/flags/01"))
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
	s.replicate(8, putOf("/flags/01", "new")) // which the rule holds again
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Conflict})
}

func TestResolveTakesAFile(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.wantDone(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("third") }, "/flags/01"))
	s.wantValue("/flags/01", "third")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
}

// C2: the value that lost is on record and comes back, also of a key that was
// put back long ago.
func TestResolveRestoresWhatLost(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.edit("/flags/01", "local")
	s.look()
	s.wantValue("/flags/01", "old")
	r, found, err := s.im.ledger.Last([]byte("/flags/01"))
	if !found || err != nil {
		t.Fatal(err)
	}
	s.wantDone(s.decide(command.TakeRecord, func(c *command.Command) { c.Record = r.ID }, "/flags/01"))
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Kept})
	s.wantEqual()
	s.replicate(8, putOf("/flags/01", "new"))
	s.wantValue("/flags/01", "new")
	s.wantParked(nil)
	s.wantEqual(putOf("/flags/01", "new"))
}

func TestResolveNamesWhatItCannotDo(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	for name, task := range map[string]command.Task{
		"no conflict": s.decide(command.TakeSource, nil, "/flags/02"),
		"no record":   s.decide(command.TakeRecord, func(c *command.Command) { c.Record = 77 }, "/flags/02"),
		"elsewhere":   s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("x") }, "/elsewhere"),
	} {
		if task.State != command.Failed || task.Reason == "" || task.Try == "" {
			t.Errorf("%s: %+v", name, task)
		}
	}
}

// What the edge holds is on record before a value that somebody gives is written
// over it, also when it was edited again while it was held.
func TestResolveLosesNoLaterEdit(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "first")
	s.look()
	s.edit("/flags/01", "second")
	s.look()
	s.wantDone(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("third") }, "/flags/01"))
	s.wantValue("/flags/01", "third")
	records, err := s.im.ledger.List(ledger.Filter{Key: []byte("/flags/01")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if string(r.Edge.Bytes) == "second" {
			return
		}
	}
	t.Errorf("the second edit is not on record: %+v", records)
}
