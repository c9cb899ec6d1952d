package importer

import (
	"context"
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// Somebody who writes a key again just before it is put right has it put right
// all the same: what the source has of it is not their first write.
func TestEditBeforeAMendIsPutBack(t *testing.T) {
	tests := map[string]struct{ first, second func(s *site) }{
		"written twice": {
			func(s *site) { s.edit("/flags/01", "local") },
			func(s *site) { s.edit("/flags/01", "local again") },
		},
		"deleted and made": {
			func(s *site) { s.remove("/flags/01") },
			func(s *site) { s.edit("/flags/01", "local again") },
		},
		"made and written": {
			func(s *site) { s.edit("/flags/mine", "local") },
			func(s *site) { s.edit("/flags/mine", "local again") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, conflict.SourceWins)
			s.target = &between{s.target, []func(){func() { tt.second(s) }}}
			tt.first(s)
			s.look()
			s.look()
			s.wantValue("/flags/01", "old")
			s.wantValue("/flags/mine", "")
			s.wantParked(nil)
			s.wantEqual()
		})
	}
}

// The same when the importer ends in between.
func TestEditBeforeAMendIsPutBackAfterARestart(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.target = &between{s.target, []func(){func() { s.edit("/flags/01", "local again") }}}
	s.edit("/flags/01", "local")
	g := glimpse{[]target.Local{{Key: []byte("/flags/01"), Value: []byte("local"), Revision: s.revision()}}, s.revision()}
	if err := s.dealWith(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.im.closeSight()
	s.open(t.Context(), s.cursor.Seen)
	s.forgetTable()
	s.look()
	s.wantValue("/flags/01", "old")
	s.wantEqual()
}

// revision is that of the target.
func (s *site) revision() int64 {
	s.t.Helper()
	resp, err := s.cli.Get(s.t.Context(), "none")
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.Header.Revision
}

// An edit that a transaction without guards wrote over stays written over: what
// the source deleted does not come back.
func TestEditThatWasWrittenOverDoesNotBringTheKeyBack(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.target = &between{s.target, []func(){func() { s.edit("/flags/01", "local") }}}
	changes := []change.Change{deleteOf("/flags/01")}
	for i := range s.target.Guardable() {
		changes = append(changes, putOf(fmt.Sprintf("/apps/more%03d", i), "new"))
	}
	s.replicate(7, changes...)
	s.look()
	s.wantValue("/flags/01", "")
	s.wantEqual(changes...)
	s.wantOnRecord("/flags/01", "local")
}

// wantOnRecord checks that what the edge had is not lost.
func (s *site) wantOnRecord(key, edge string) {
	s.t.Helper()
	got, err := s.im.ledger.List(ledger.Filter{Key: []byte(key)})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range got {
		if string(r.Edge.Bytes) == edge {
			return
		}
	}
	s.t.Errorf("%q of %s is not on record: %+v", edge, key, got)
}

// What the edge makes of a key whose delete waits is the edge's like any other
// change of it.
func TestEditOfAKeyWhoseDeleteWaits(t *testing.T) {
	for policy, want := range map[conflict.Policy]struct{ value, why string }{
		conflict.SourceWins: {"", ""},
		conflict.EdgeWins:   {"local", status.EdgeWins},
		conflict.HoldPolicy: {"local", status.Conflict},
	} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			gone := deletes("/flags/", 12)
			s.replicate(gone.Revision, gone.Changes...)
			s.look()
			group := s.parked.groups[0]
			if group.Why != status.MassDelete {
				t.Fatalf("the deletes wait as %s", group.Why)
			}
			s.edit("/flags/01", "local")
			s.look()
			s.wantEqual(gone.Changes...)
			if err := s.approve(t.Context(), &task{command: command.Command{Groups: []string{group.ID}}}); err != nil {
				t.Fatal(err)
			}
			s.wantValue("/flags/01", want.value)
			s.wantValue("/flags/02", "")
			s.wantEqual(gone.Changes...)
			s.wantOnRecord("/flags/01", "local")
			if want.why == "" {
				s.wantParked(nil)
			} else {
				s.wantParked(map[string]string{"/flags/01": want.why})
			}
		})
	}
}

// The same of a key that waits because the target refused what the source has.
func TestEditOfAKeyThatTheTargetRefused(t *testing.T) {
	for policy, want := range map[conflict.Policy]string{conflict.SourceWins: "new", conflict.EdgeWins: "local", conflict.HoldPolicy: "local", conflict.MergePolicy: "local"} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			refusedPut(t, s.applier, "/flags/01")
			s.edit("/flags/01", "local")
			s.look()
			s.replicate(7, putOf("/flags/01", "new"))
			s.wantValue("/flags/01", want)
			s.wantEqual(putOf("/flags/01", "new"))
			s.wantOnRecord("/flags/01", "local")
		})
	}
}

// A merge that has to be decided about again, because of another edit, still
// carries the source's change.
func TestMergeIsDecidedAgainFromTheSameBase(t *testing.T) {
	s := newSite(t, conflict.MergePolicy)
	s.replicate(5, putOf("/flags/01", `{"a":1,"b":1,"c":1}`))
	s.look()
	s.edit("/flags/01", `{"a":2,"b":1,"c":1}`)
	s.look()
	s.target = &between{s.target, []func(){func() { s.edit("/flags/01", `{"a":2,"b":1,"c":2}`) }}}
	source := putOf("/flags/01", `{"a":1,"b":3,"c":1}`)
	s.replicate(7, source)
	s.look()
	s.wantValue("/flags/01", `{"a":2,"b":3,"c":2}`)
	s.wantEqual(source)
}

// failing is a target whose first commits with changes fail.
type failing struct {
	Target
	errs []error
}

func (f *failing) Commit(ctx context.Context, tx target.Tx) (int64, error) {
	if len(tx.Changes) > 0 && len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return 0, err
	}
	return f.Target.Commit(ctx, tx)
}

// An importer that ends between the decision and the write decides the same
// again.
func TestMergeSurvivesTheEndOfTheImporter(t *testing.T) {
	s := newSite(t, conflict.MergePolicy)
	s.replicate(5, putOf("/flags/01", `{"a":1,"b":1}`))
	s.look()
	s.edit("/flags/01", `{"a":2,"b":1}`)
	s.look()
	whole := s.target
	s.target = &failing{whole, []error{target.ErrOutcomeUnknown}}
	source := putOf("/flags/01", `{"a":1,"b":3}`)
	if err := s.try(t.Context(), 7, source); err == nil {
		t.Fatal("the commit did not fail")
	}
	s.target, s.position = whole, 5
	clear(s.merging)
	s.forget()
	groups, err := s.target.Parked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.parked = newParked(groups)
	s.replicate(7, source)
	s.wantValue("/flags/01", `{"a":2,"b":3}`)
	s.wantEqual(source)
}

// A key that is fought over is put right later also when somebody wrote it at
// the very moment.
func TestFightGoesOn(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	for i := range fightTimes + 1 {
		s.edit("/flags/01", fmt.Sprint("local", i))
		s.look()
	}
	s.wantParked(map[string]string{"/flags/01": status.Fighting})
	s.edit("/flags/01", "during the pause")
	s.look()
	s.target = &between{s.target, []func(){func() { s.edit("/flags/01", "at the very moment") }}}
	for range 2 {
		s.endPause("/flags/01")
		s.look()
	}
	s.wantValue("/flags/01", "old")
	s.wantParked(nil)
	s.wantEqual()
	s.wantOnRecord("/flags/01", "during the pause")
	s.wantOnRecord("/flags/01", "at the very moment")
}

// Edits that cannot be put back together are put back one by one.
func TestEditsThatAreTooLargeTogetherArePutBack(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.target = &failing{s.target, []error{&target.TooLarge{}}}
	ops := []clientv3.Op{clientv3.OpPut("/flags/01", "local"), clientv3.OpPut("/flags/02", "local"), clientv3.OpDelete("/flags/03")}
	if _, err := s.cli.Txn(t.Context()).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.wantValue("/flags/01", "old")
	s.wantValue("/flags/02", "old")
	s.wantValue("/flags/03", "old")
	s.wantEqual()
}

// One that the target refused, and does not refuse any more when it is asked, is
// put back.
func TestEditWhoseMendWasRefusedOnceIsPutBack(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.target = &failing{s.target, []error{target.ErrForbidden}}
	s.edit("/flags/01", "local")
	s.look()
	s.wantValue("/flags/01", "old")
	s.wantEqual()
}

// What could not be recorded is not known to the next session either: it decides
// about it again.
func TestDecisionsThatCannotBeRecordedAreForgotten(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	if err := s.im.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	s.edit("/flags/01", "local")
	if err := s.noticeUpTo(t.Context(), s.revision()); err == nil {
		t.Fatal("an edit was dealt with that is not on record")
	}
	if !s.im.stale.Load() {
		t.Error("the next session takes the key for set apart, and records nothing")
	}
}

// What is on record of long ago is not taken for what was replicated last.
func TestOldRecordIsNoBase(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"))
	s.look()
	s.wantDone(s.decide(command.TakeValue, func(c *command.Command) { c.Value = []byte("kept") }, "/flags/01"))
	s.look()
	s.edit("/flags/01", "local again")
	s.look()
	if value, _, err := s.target.Get(t.Context(), []byte("/flags/01")); err != nil || string(value) == "old" {
		t.Errorf("the key holds what the source had long ago: %q, %v", value, err)
	}
}

// A conflict that the source's next change ends is not open any more.
func TestConflictThatEndsIsSettled(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "local"))
	s.wantParked(nil)
	s.wantEqual(putOf("/flags/01", "local"))
	open, err := s.im.ledger.List(ledger.Filter{Open: true})
	if err != nil || len(open) != 0 {
		t.Errorf("open are %+v, %v", open, err)
	}
}

// A clean key that waits because of another is on record, too.
func TestCleanKeyOfAHeldChangeIsOnRecord(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"), putOf("/flags/02", "new"))
	r, found, err := s.im.ledger.Last([]byte("/flags/02"))
	if err != nil || !found || r.Type != conflict.Group || string(r.Source.Bytes) != "new" || string(r.Base.Bytes) != "old" {
		t.Errorf("on record is %+v, %v", r, err)
	}
}

// What somebody decides while the edge is paused is refused: nobody looks at what
// others write meanwhile, and a commit would be guarded against that for ever.
func TestDecisionsAreRefusedWhilePaused(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	if err := s.setPaused(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []command.Verb{command.Approve, command.Resolve} {
		c := command.Command{ID: string(verb), Verb: verb, Take: command.TakeSource, Keys: [][]byte{[]byte("/flags/01")}}
		if err := s.carryOut(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, told := range s.im.Status().Tasks {
		if told.State != command.Failed || told.Try != "syncer resume" {
			t.Errorf("%s is told of as %+v", told.Verb, told)
		}
	}
	s.wantValue("/flags/01", "local")
}

// A chunk does not go over an edit that was not seen yet.
func TestChunkSparesWhatWasNotSeen(t *testing.T) {
	for policy, want := range map[conflict.Policy]string{conflict.SourceWins: "new", conflict.EdgeWins: "local", conflict.HoldPolicy: "local"} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			s.edit("/flags/01", "local")
			bring := func() {
				c := change.Chunk{Range: s.ranges[1]}
				for i := range 20 {
					c.KVs = append(c.KVs, change.KV{Key: fmt.Appendf(nil, "/flags/%02d", i), Value: []byte("new")})
				}
				s.writes = new(writes)
				job := s.replacement(c, digest.Difference{})
				if _, err := s.replace(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				if err := s.rejoined(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.barrier(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			bring()
			s.look()
			bring()
			s.wantValue("/flags/01", want)
			s.wantValue("/flags/02", "new")
			s.wantOnRecord("/flags/01", "local")
			var changed []change.Change
			for i := range 20 {
				changed = append(changed, putOf(fmt.Sprintf("/flags/%02d", i), "new"))
			}
			s.wantEqual(changed...)
		})
	}
}
