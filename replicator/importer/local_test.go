package importer

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// site is an applier that watches its target, with somebody on site.
type site struct {
	*applier
	t   *testing.T
	cli *clientv3.Client
}

// newSite holds /apps/00 to /apps/19 and /flags/00 to /flags/19, each "old". The
// rules are apps and flags; flags is by the policy.
func newSite(t *testing.T, policy conflict.Policy, ignore ...conflict.Ignore) *site {
	t.Helper()
	cli := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true}).Client()
	return newSiteBy(t, cli, cli, policy, ignore...)
}

func newSiteBy(t *testing.T, admin, edge *clientv3.Client, policy conflict.Policy, ignore ...conflict.Ignore) *site {
	t.Helper()
	s := &site{applier: newApplierBy(t, admin, edge), t: t, cli: admin}
	s.rules[1].Conflict = string(policy)
	for _, i := range ignore {
		s.rules[1].Ignore = append(s.rules[1].Ignore, filter.Ignore{Paths: i.Paths, When: filter.When(i.When)})
	}
	s.open(t.Context(), s.modRev)
	t.Cleanup(s.im.closeSight)
	if err := s.im.openLedger(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.im.ledger.Close() })
	return s
}

func (s *site) edit(key, value string) {
	s.t.Helper()
	if _, err := s.cli.Put(s.t.Context(), key, value); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) remove(key string) {
	s.t.Helper()
	if _, err := s.cli.Delete(s.t.Context(), key); err != nil {
		s.t.Fatal(err)
	}
}

// look deals with everything that was written.
func (s *site) look() {
	s.t.Helper()
	resp, err := s.cli.Get(s.t.Context(), "none")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.noticeUpTo(s.t.Context(), resp.Header.Revision); err != nil {
		s.t.Fatal(err)
	}
}

// replicate applies a changeset as it comes from the source.
func (s *site) replicate(revision int64, changes ...change.Change) {
	s.t.Helper()
	if err := s.try(s.t.Context(), revision, changes...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) try(ctx context.Context, revision int64, changes ...change.Change) error {
	if err := s.changes(ctx, []change.Changeset{{Revision: revision, Changes: changes}}); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.position = revision
	return nil
}

func putOf(key, value string) change.Change {
	return change.Change{Op: change.Put, Key: []byte(key), Value: []byte(value)}
}

func deleteOf(key string) change.Change {
	return change.Change{Op: change.Delete, Key: []byte(key)}
}

func (s *site) wantValue(key, want string) {
	s.t.Helper()
	value, rev, err := s.target.Get(s.t.Context(), []byte(key))
	if err != nil {
		s.t.Fatal(err)
	}
	if got := string(value); got != want || (rev == 0) != (want == "") {
		s.t.Errorf("%s holds %q, want %q", key, got, want)
	}
}

// wantEqual checks that digests count what the source has: all that newSite
// made, but for the changes.
func (s *site) wantEqual(changed ...change.Change) {
	s.t.Helper()
	want := map[string]string{}
	for _, prefix := range []string{"/apps/", "/flags/"} {
		for i := range 20 {
			want[fmt.Sprintf("%s%02d", prefix, i)] = "old"
		}
	}
	for _, c := range changed {
		want[string(c.Key)] = string(c.Value)
		if c.Op == change.Delete {
			delete(want, string(c.Key))
		}
	}
	if got, want := s.table.Digest(), digestOf(want); got != want {
		s.t.Errorf("the table says %v, want %v", got, want)
	}
	before := s.table.Digest()
	if err := s.rescan(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if got := s.table.Digest(); got != before {
		s.t.Errorf("the target says %v, the table said %v", got, before)
	}
}

func (s *site) wantParked(want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	for key, k := range s.parked.keys {
		got[key] = k.group.Why
	}
	if !maps.Equal(got, want) {
		s.t.Errorf("set apart are %v, want %v", got, want)
	}
}

// With source-wins an edit and a delete are put back, and what the edge made is
// gone again. No hub is there.
func TestLocalEditsArePutBack(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.edit("/flags/01", "local")
	s.remove("/flags/02")
	s.edit("/flags/mine", "new")
	s.look()
	s.wantValue("/flags/01", "old")
	s.wantValue("/flags/02", "old")
	s.wantValue("/flags/mine", "")
	s.wantParked(nil)
	s.wantEqual()
	if n := s.im.Status().Conflicts; n["update_dirty"] != 1 || n["update_missing"] != 1 || n["delete_dirty"] != 1 {
		t.Errorf("counted %v", n)
	}
	if s.cursor.Seen == 0 || s.cursor.Seen > s.sight.seen {
		t.Errorf("the cursor has seen %d, the watch %d", s.cursor.Seen, s.sight.seen)
	}
}

// What a target told of just before it was wiped is not asked for without end.
func TestEditOfATargetThatWasWiped(t *testing.T) {
	e := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	s := newSiteBy(t, e.Client(), e.Client(), conflict.SourceWins)
	s.edit("/flags/01", "local")
	if err := s.sight.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.notice(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("an edit of a target that was wiped since: %v", err)
	}
}

// With edge-wins the edge's value stays, whatever the source sends, until both
// have the same.
func TestEdgeWins(t *testing.T) {
	s := newSite(t, conflict.EdgeWins)
	s.edit("/flags/01", "local")
	s.remove("/flags/02")
	s.edit("/apps/01", "local")
	s.look()
	s.wantParked(map[string]string{"/flags/01": status.EdgeWins, "/flags/02": status.EdgeWins})
	s.wantValue("/apps/01", "old")
	s.wantEqual()
	s.replicate(7, putOf("/flags/01", "new"))
	s.replicate(8, putOf("/flags/02", "new"))
	s.wantValue("/flags/01", "local")
	s.wantValue("/flags/02", "")
	s.wantEqual(putOf("/flags/01", "new"), putOf("/flags/02", "new"))
	s.replicate(9, deleteOf("/flags/01"))
	s.wantValue("/flags/01", "local")
	s.edit("/flags/02", "new")
	s.look()
	s.wantParked(map[string]string{"/flags/01": status.EdgeWins})
	s.wantEqual(deleteOf("/flags/01"), putOf("/flags/02", "new"))
	if n := s.im.Status(); n.ParkedKeys != 0 || n.LocalKeys != 1 {
		t.Errorf("%d keys wait and %d are the edge's; nobody has to do anything", n.ParkedKeys, n.LocalKeys)
	}
}

func TestHold(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "local")
	s.look()
	s.replicate(7, putOf("/flags/01", "new"))
	s.wantValue("/flags/01", "local")
	s.wantParked(map[string]string{"/flags/01": status.Conflict})
	s.wantEqual(putOf("/flags/01", "new"))
	if n := s.im.Status(); n.ParkedKeys != 1 || n.Parked[0].Try != "syncer conflicts show /flags/01" {
		t.Errorf("the report says %+v", n.Parked)
	}
}

func TestMerge(t *testing.T) {
	s := newSite(t, conflict.MergePolicy)
	s.replicate(5, putOf("/flags/01", `{"a":1,"b":1,"c":1}`))
	s.look()
	s.edit("/flags/01", `{"a":2,"b":2,"c":1}`)
	s.look()
	s.wantParked(map[string]string{"/flags/01": status.Merged})
	source := putOf("/flags/01", `{"a":1,"b":3,"c":3}`)
	s.replicate(7, source)
	s.wantValue("/flags/01", `{"a":2,"b":3,"c":3}`)
	s.wantParked(map[string]string{"/flags/01": status.Merged})
	s.wantEqual(source)
	source = putOf("/flags/01", `{"a":1,"b":3,"c":4}`)
	s.replicate(8, source)
	s.wantValue("/flags/01", `{"a":2,"b":3,"c":4}`)
	s.wantEqual(source)
}

func TestIgnoredFieldsStay(t *testing.T) {
	s := newSite(t, conflict.SourceWins, conflict.Ignore{Paths: []string{"spec.replicas"}, When: conflict.OnEdgeChange})
	s.replicate(5, putOf("/flags/01", `{"spec":{"image":"a","replicas":1}}`))
	s.look()
	s.edit("/flags/01", `{"spec":{"image":"a","replicas":7}}`)
	s.look()
	s.wantValue("/flags/01", `{"spec":{"image":"a","replicas":7}}`)
	source := putOf("/flags/01", `{"spec":{"image":"b","replicas":1}}`)
	s.replicate(6, source)
	s.wantValue("/flags/01", `{"spec":{"image":"b","replicas":7}}`)
	s.wantEqual(source)
	s.edit("/flags/01", `{"spec":{"image":"mine","replicas":9}}`)
	s.look()
	s.wantValue("/flags/01", `{"spec":{"image":"b","replicas":9}}`)
	s.wantEqual(source)
}

// C3: one key that the edge changed in a transaction of 50 keys: all are applied
// or none.
func TestGroupIsNeverHalf(t *testing.T) {
	for policy, want := range map[conflict.Policy]string{conflict.SourceWins: "new", conflict.EdgeWins: "old", conflict.HoldPolicy: "old"} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			s.edit("/flags/07", "local")
			s.look()
			var changes []change.Change
			for i := range 20 {
				changes = append(changes, putOf(fmt.Sprintf("/flags/%02d", i), "new"), putOf(fmt.Sprintf("/apps/%02d", i), "new"))
			}
			for i := range 10 {
				changes = append(changes, putOf(fmt.Sprintf("/apps/more%02d", i), "new"))
			}
			s.replicate(9, changes...)
			s.wantValue("/apps/00", want)
			s.wantValue("/flags/19", want)
			s.wantEqual(changes...)
		})
	}
}

// C6: the same value on both sides is no conflict.
func TestSameValueIsNoConflict(t *testing.T) {
	s := newSite(t, conflict.HoldPolicy)
	s.edit("/flags/01", "old")
	s.look()
	s.wantParked(nil)
	if n := s.im.Status().Conflicts; len(n) != 0 {
		t.Errorf("counted %v", n)
	}
}

// between is a target at which somebody writes just before each of the first
// commits with changes.
type between struct {
	Target
	write []func()
}

func (b *between) Commit(ctx context.Context, tx target.Tx) (int64, error) {
	if len(tx.Changes) > 0 && len(b.write) > 0 {
		w := b.write[0]
		b.write = b.write[1:]
		w()
	}
	return b.Target.Commit(ctx, tx)
}

// C1: a write between the decision and the commit is seen and decided about.
func TestEditBetweenDecisionAndCommit(t *testing.T) {
	for policy, want := range map[conflict.Policy]string{conflict.SourceWins: "new", conflict.EdgeWins: "local", conflict.HoldPolicy: "local"} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			s.target = &between{s.target, []func(){func() { s.edit("/flags/01", "local") }}}
			s.replicate(7, putOf("/flags/01", "new"))
			s.look()
			s.wantValue("/flags/01", want)
			s.wantEqual(putOf("/flags/01", "new"))
			if got, err := s.im.ledger.List(ledger.Filter{Key: []byte("/flags/01")}); err != nil || string(got[len(got)-1].Edge.Bytes) != "local" {
				t.Errorf("the edit is not on record: %+v, %v", got, err)
			}
		})
	}
}

// Somebody who changes a key back again and again is reported, not fought.
func TestFightIsReported(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	for range fightTimes {
		s.edit("/flags/01", "local")
		s.look()
		s.wantValue("/flags/01", "old")
	}
	s.edit("/flags/01", "local")
	s.look()
	s.wantParked(map[string]string{"/flags/01": status.Fighting})
	s.wantEqual()
	s.endPause("/flags/01")
	s.wantValue("/flags/01", "old")
	s.wantParked(nil)
	s.wantEqual()
}

// endPause has the pause of a key that is fought over be over.
func (s *site) endPause(key string) {
	s.t.Helper()
	f := s.sight.fights[key]
	if f == nil || f.due.IsZero() {
		s.t.Fatalf("nobody puts %s right any more", key)
	}
	f.due = f.last
	if err := s.notice(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// A fight that goes on after a pause is the same fight: the next pause is twice as
// long, up to a bound.
func TestPausesOfAFightDouble(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	for range fightTimes {
		s.edit("/flags/01", "local")
		s.look()
	}
	for _, seconds := range []int{2, 4, 8, 16, 32, 60, 60} {
		want := time.Duration(seconds) * time.Second
		s.edit("/flags/01", "local")
		s.look()
		s.wantParked(map[string]string{"/flags/01": status.Fighting})
		f := s.sight.fights["/flags/01"]
		if got := f.due.Sub(f.last); got != want {
			t.Errorf("the pause is %v, want %v", got, want)
		}
		s.endPause("/flags/01")
		s.wantValue("/flags/01", "old")
		s.wantParked(nil)
	}
	s.sight.fights["/flags/01"].last = time.Now().Add(-2*mostFightPause - time.Second)
	s.sight.tally = tally{}
	s.edit("/flags/01", "local")
	s.look()
	s.wantValue("/flags/01", "old") // a new one
	s.wantEqual()
}

// others are fights over as many keys as are remembered, each with so many edits.
func (s *site) others(times int) {
	for i := range mostFights {
		for range times {
			s.sight.fought(conflict.Case{Key: fmt.Appendf(nil, "/other/%03d", i)})
		}
	}
}

// A key beyond those that are remembered is limited as well.
func TestFightsBeyondThoseThatAreRemembered(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.others(1)
	for range fightTimes + 1 {
		s.edit("/flags/01", "local")
		s.look()
	}
	s.wantParked(map[string]string{"/flags/01": status.Fighting})
	if n := len(s.sight.fights); n > mostFights {
		t.Errorf("%d fights are remembered", n)
	}
}

// Many keys that somebody changes once, with a script, are no fight.
func TestManyKeysOnceAreNoFight(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	for i := range 10_000 {
		if s.sight.fought(conflict.Case{Key: fmt.Appendf(nil, "/other/%05d", i)}) {
			t.Fatalf("key %d is put off", i)
		}
	}
}

// Keys that are changed in turn are limited, however many they are.
func TestFightsInTurnAreLimited(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	now := 0
	for round := range 3 * fightTimes {
		now = 0
		for i := range 2 * mostFights {
			if !s.sight.fought(conflict.Case{Key: fmt.Appendf(nil, "/other/%03d", i)}) {
				now++
			}
		}
		if n := len(s.sight.fights); n > mostFights {
			t.Fatalf("%d fights are remembered in round %d", n, round)
		}
	}
	if now > 0 {
		t.Errorf("%d keys are put right at once for ever", now)
	}
}

// While all that are remembered are put off, a further key is put off as well, and
// put right once there is room.
func TestFightBesideTooManyThatArePutOff(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	s.others(fightTimes + 1)
	for range fightTimes + 1 {
		s.edit("/flags/01", "local")
		s.look()
	}
	s.wantParked(map[string]string{"/flags/01": status.Fighting})
	s.wantEqual()
	s.sight.fights["/other/000"].due = s.sight.fights["/other/000"].last // which nobody fights over any more
	if err := s.notice(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.endPause("/flags/01")
	s.wantValue("/flags/01", "old")
	s.wantParked(nil)
	s.wantEqual()
	if n := len(s.sight.fights); n > mostFights {
		t.Errorf("%d fights are remembered", n)
	}
}

// C8: what others wrote while the importer was away is known before anything is
// applied.
func TestEditsWhileAwayAreSeenFirst(t *testing.T) {
	s := newSite(t, conflict.EdgeWins)
	s.edit("/flags/03", "early")
	s.look()
	s.im.closeSight()
	s.edit("/flags/01", "local")
	s.remove("/flags/02")
	seen := s.cursor.Seen
	s.parked = newParked(nil)
	groups, err := s.target.Parked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.parked = newParked(groups)
	s.open(t.Context(), seen)
	s.look()
	s.replicate(7, putOf("/flags/01", "new"), putOf("/flags/02", "new"))
	s.wantValue("/flags/01", "local")
	s.wantValue("/flags/02", "")
	s.wantParked(map[string]string{"/flags/01": status.EdgeWins, "/flags/02": status.EdgeWins, "/flags/03": status.EdgeWins})
	s.wantEqual(putOf("/flags/01", "new"), putOf("/flags/02", "new"))
}

// A long list of edits is put back in few transactions.
func TestManyEditsArePutBack(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	if _, err := s.cli.Delete(t.Context(), "/", clientv3.WithRange("/syncer/")); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.wantEqual()
	s.wantValue("/apps/00", "old")
}

func digestOf(content map[string]string) digest.Digest {
	table := digest.NewTable()
	for k, v := range content {
		table.PutSum([]byte(k), digest.Item([]byte(k), []byte(v)))
	}
	return table.Digest()
}

// C2: a delete here and an update there, and the other way round, and a key that
// both make: each has its name, and both values are on record.
func TestEveryConflictHasItsNameAndBothValues(t *testing.T) {
	tests := map[string]struct {
		key    string
		local  string // "" deletes
		source change.Change
		want   conflict.Type
	}{
		"both update":                 {"/flags/01", "local", putOf("/flags/01", "new"), conflict.UpdateDirty},
		"deleted here, updated there": {"/flags/01", "", putOf("/flags/01", "new"), conflict.UpdateMissing},
		"updated here, deleted there": {"/flags/01", "local", deleteOf("/flags/01"), conflict.DeleteDirty},
		"both create":                 {"/flags/made", "local", putOf("/flags/made", "new"), conflict.InsertExists},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, conflict.EdgeWins)
			if tt.local == "" {
				s.remove(tt.key)
			} else {
				s.edit(tt.key, tt.local)
			}
			s.look()
			s.replicate(7, tt.source)
			s.wantValue(tt.key, tt.local)
			s.wantEqual(tt.source)
			r, found, err := s.im.ledger.Last([]byte(tt.key))
			if err != nil || !found {
				t.Fatalf("nothing is on record: %v", err)
			}
			if r.Type != tt.want || string(r.Edge.Bytes) != tt.local || r.Edge.Present != (tt.local != "") ||
				string(r.Source.Bytes) != string(tt.source.Value) || r.Source.Present != (tt.source.Op == change.Put) || r.SourceRevision != 7 {
				t.Errorf("on record is %+v, want a %s", r, tt.want)
			}
		})
	}
}
