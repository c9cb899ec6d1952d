package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// newApplier stands before a real target that holds 20 keys of each of two
// rules, and is consistent.
func newApplier(t *testing.T) *applier {
	t.Helper()
	return newApplierOn(t, testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true}))
}

func newApplierOn(t *testing.T, etcd *testbed.Etcd) *applier {
	t.Helper()
	return newApplierBy(t, etcd.Client(), etcd.Client())
}

// newApplierBy writes as one user what the target holds, and stands before it as
// another.
func newApplierBy(t *testing.T, admin, edge *clientv3.Client) *applier {
	t.Helper()
	for _, prefix := range []string{"/apps/", "/flags/"} {
		for i := range 20 {
			if _, err := admin.Put(t.Context(), fmt.Sprintf("%s%02d", prefix, i), "old"); err != nil {
				t.Fatal(err)
			}
		}
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	ranges := []change.Range{change.PrefixRange([]byte("/apps/")), change.PrefixRange([]byte("/flags/"))}
	im := New(Config{Name: "store-1", Source: "cloud", Channel: "flags", DataDir: t.TempDir()}, nil, nil, logger)
	opened, err := target.Open(t.Context(), edge, target.CursorKey{Source: "cloud", Channel: "flags"}, logger, target.WithRanges(ranges))
	if err != nil {
		t.Fatal(err)
	}
	cursor, modRev, err := opened.Claim(t.Context(), "me", func(c target.Cursor, _ bool) (target.Cursor, error) {
		c.Consistent, c.Revision = true, 1
		return c, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &applier{im: im, target: opened, ranges: ranges, cursor: cursor, modRev: modRev, position: 1, parked: newParked(nil), merging: make(map[string]struct{})}
	for i, name := range []string{"apps", "flags"} {
		a.rules = append(a.rules, filter.RuleInfo{Name: name, Delivered: ranges[i : i+1], Guard: defaultGuard})
	}
	if err := a.rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// deletes is a changeset that deletes the first keys of a rule.
func deletes(prefix string, n int) change.Changeset {
	s := change.Changeset{Revision: 5}
	for i := range n {
		s.Changes = append(s.Changes, change.Change{Op: change.Delete, Key: fmt.Appendf(nil, "%s%02d", prefix, i)})
	}
	return s
}

func refusedPut(t *testing.T, a *applier, key string) {
	t.Helper()
	put := []change.Change{{Op: change.Put, Key: []byte(key), Value: []byte("refused")}}
	if err := a.park(t.Context(), target.Parked{Why: status.TooLarge, Revision: 3}, put); err != nil {
		t.Fatal(err)
	}
}

// A delete that the guard lets pass is carried out, also of a key that waited,
// when it came together with others that the guard stops.
func TestGuardedKeepsTheDeletesThatMayGo(t *testing.T) {
	a := newApplier(t)
	refusedPut(t, a, "/flags/00")
	s := deletes("/apps/", 15)
	s.Changes = append(s.Changes, deletes("/flags/", 2).Changes...)
	got, err := a.guarded(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Changes) != 2 || string(got.Changes[0].Key) != "/flags/00" || string(got.Changes[1].Key) != "/flags/01" {
		t.Errorf("left are %q", got.Changes)
	}
	if n := len(a.parked.keys); n != 16 {
		t.Errorf("%d keys are parked", n)
	}
}

// slow is a target that writes a chunk only after something was parked, or
// nothing was for a while.
type slow struct {
	Target
	parked chan struct{}
}

func (s *slow) Replace(ctx context.Context, c target.Chunk) (target.Replaced, error) {
	select {
	case <-s.parked:
	case <-time.After(200 * time.Millisecond):
	}
	return s.Target.Replace(ctx, c)
}

func (s *slow) Park(ctx context.Context, groups []target.Parked) error {
	err := s.Target.Park(ctx, groups)
	select {
	case s.parked <- struct{}{}:
	default:
	}
	return err
}

// What is parked while an older chunk is being written stays parked.
func TestParkWaitsForOlderChunks(t *testing.T) {
	a := newApplier(t)
	a.target = &slow{Target: a.target, parked: make(chan struct{}, 1)}
	a.comparison.begin("test")
	a.comparison.compared = true
	r := change.Range{Lo: []byte("/apps/00"), Hi: []byte("/apps/01")}
	a.comparison.out[string(r.Lo)] = digest.Difference{Range: r}
	chunk := change.Chunk{Range: r, KVs: []change.KV{{Key: []byte("/apps/00"), Value: []byte("new")}}}
	a.comparison.left = []digest.Difference{{Range: change.Range{Lo: []byte("/flags/")}}} // it goes on
	if err := a.chunk(t.Context(), taken{Frame: change.Frame{Request: a.comparison.id}}, chunk, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.guarded(t.Context(), deletes("/apps/", 15), nil); err != nil {
		t.Fatal(err)
	}
	if err := a.barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !a.parked.has([]byte("/apps/00")) || len(a.parked.keys) != 15 {
		t.Errorf("%d keys are parked, the chunk's: %v", len(a.parked.keys), a.parked.has([]byte("/apps/00")))
	}
	if n := a.table.Digest().Count; n != 25 {
		t.Errorf("the table counts %d keys", n)
	}
}

// cutOff is a target that is gone when a cursor is to be written.
type cutOff struct{ Target }

var errCutOff = errors.New("cut off")

func (c cutOff) Commit(context.Context, target.Tx) (int64, error) {
	return 0, fmt.Errorf("%w: %w", target.ErrOutcomeUnknown, errCutOff)
}

// A session that ends within a retry leaves nothing to the next one that says
// of the keys what the source has: the edge would call itself in sync.
func TestRetryThatIsCutOff(t *testing.T) {
	a := newApplier(t)
	refusedPut(t, a, "/apps/00")
	a.target = cutOff{a.target}
	if err := a.tryAgain(t.Context(), a.parked.groups); !errors.Is(err, errCutOff) {
		t.Fatal(err)
	}
	a.im.release(a)
	if !a.im.stale.Load() {
		t.Error("the next session goes on with a table that is wrong")
	}
}

// A group that a crash left behind is not approved before a comparison.
func TestGroupsThatAreNotThoseOfTheCursor(t *testing.T) {
	a := newApplier(t)
	approve := command.New(command.Approve)
	if _, err := a.guarded(t.Context(), deletes("/apps/", 15), nil); err != nil {
		t.Fatal(err)
	}
	if err := a.commit(t.Context(), nil, a.standing()); err != nil {
		t.Fatal(err)
	}
	a.im.target = a.target
	if err := a.im.look(t.Context(), a); err != nil || !a.cursor.Consistent || !a.may(approve) {
		t.Fatalf("consistent %v, approve %v: %v", a.cursor.Consistent, a.may(approve), err)
	}
	cursor := a.standing() // as a commit that puts all keys again, cut off before it takes them out of their group
	cursor.Parked = 0
	if _, err := a.target.Commit(t.Context(), target.Tx{Cursor: &cursor}); err != nil {
		t.Fatal(err)
	}
	a.cursor = cursor
	if err := a.im.look(t.Context(), a); err != nil || a.cursor.Consistent || a.may(approve) {
		t.Errorf("consistent %v, approve %v: %v", a.cursor.Consistent, a.may(approve), err)
	}
}

// Within a revision that comes in parts the cursor says so, also when the claim
// of equality is taken back.
func TestTornStaysTorn(t *testing.T) {
	a := newApplier(t)
	a.cursor.Torn = 7
	if err := a.setConsistent(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if a.cursor.Torn != 7 || a.cursor.Consistent {
		t.Errorf("the cursor is %+v", a.cursor)
	}
}

// A command that cannot be kept is not carried out.
func TestOrderThatCannotBeKept(t *testing.T) {
	o := newOrders(t.TempDir()+"/missing", slog.New(slog.DiscardHandler))
	c := command.New(command.Pause)
	if taken, err := o.add(c); taken || err == nil || len(o.all()) != 0 {
		t.Errorf("taken %v, %v, waiting %v", taken, err, o.all())
	}
	o.path = t.TempDir() + "/commands.json"
	if taken, err := o.add(c); !taken || err != nil || len(o.all()) != 1 {
		t.Errorf("the second time: taken %v, %v, waiting %v", taken, err, o.all())
	}
}

// counting counts how often groups are stored.
type counting struct {
	Target
	parks int
}

func (c *counting) Park(ctx context.Context, groups []target.Parked) error {
	c.parks++
	return c.Target.Park(ctx, groups)
}

// A large group is not stored again with each key that comes back.
func TestKeysThatComeBackDoNotCostTheGroup(t *testing.T) {
	a := newApplier(t)
	stored := &counting{Target: a.target}
	a.target = stored
	if _, err := a.guarded(t.Context(), deletes("/apps/", 15), nil); err != nil {
		t.Fatal(err)
	}
	back := func(i int) {
		t.Helper()
		put := []change.Change{{Op: change.Put, Key: fmt.Appendf(nil, "/apps/%02d", i), Value: []byte("back")}}
		if err := a.commit(t.Context(), put, a.standing()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		back(i)
	}
	if stored.parks != 1 || a.cursor.Parked != 5 {
		t.Errorf("stored %d times, %d keys are parked", stored.parks, a.cursor.Parked)
	}
	if err := a.parked.save(t.Context(), a); err != nil || stored.parks != 2 {
		t.Errorf("stored %d times: %v", stored.parks, err)
	}
	for i := 10; i < 15; i++ {
		back(i)
	}
	groups, err := stored.Target.(*target.Target).Parked(t.Context())
	if err != nil || len(groups) != 0 {
		t.Errorf("left behind: %+v, %v", groups, err)
	}
}

// Many refused values hide no group about which the guard asks.
func TestReportShowsWhatAsks(t *testing.T) {
	a := newApplier(t)
	for i := range 2 * status.MaxParked {
		refusedPut(t, a, fmt.Sprintf("/flags/big%d", i))
	}
	if _, err := a.guarded(t.Context(), deletes("/apps/", 15), nil); err != nil {
		t.Fatal(err)
	}
	groups, keys, _ := a.parked.report()
	if len(groups) != status.MaxParked || groups[0].Why != status.MassDelete || keys != 2*status.MaxParked+15 {
		t.Errorf("%d keys, %+v", keys, groups[0])
	}
}
