package kine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	server "github.com/syncer-io/syncer/replicator/testbed/kine"
)

var (
	key    = target.CursorKey{Source: "cloud", Channel: "shop"}
	ranges = []change.Range{change.PrefixRange([]byte("/a/")), change.PrefixRange([]byte("/b/"))}
)

// bench is a target on a kine of its own, with the cursor claimed.
type bench struct {
	*target.Target
	t      *testing.T
	server *server.Server
	cursor target.Cursor
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, server: server.New(t)}
	b.Target = b.open()
	return b
}

// open gives a target that has claimed the cursor.
func (b *bench) open() *target.Target {
	b.t.Helper()
	tg, err := kine.Open(b.t.Context(), b.server.Client(), key, ranges, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	_, _, err = tg.Claim(b.t.Context(), b.t.Name(), func(c target.Cursor, found bool) (target.Cursor, error) { return c, nil })
	if err != nil {
		b.t.Fatal(err)
	}
	return tg
}

func put(k, v string) change.Change {
	return change.Change{Op: change.Put, Key: []byte(k), Value: []byte(v)}
}

func del(k string) change.Change { return change.Change{Op: change.Delete, Key: []byte(k)} }

// commit commits changes with a cursor at the next revision.
func (b *bench) commit(changes ...change.Change) int64 {
	b.t.Helper()
	b.cursor.Revision++
	rev, err := b.Commit(b.t.Context(), target.Tx{Changes: changes, Cursor: &b.cursor})
	if err != nil {
		b.t.Fatal(err)
	}
	return rev
}

// content is what the server holds below a prefix.
func (b *bench) content(prefix string) map[string]string {
	b.t.Helper()
	resp, err := b.server.Client().Get(b.t.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		out[string(kv.Key)] = string(kv.Value)
	}
	return out
}

func (b *bench) want(prefix string, want map[string]string) {
	b.t.Helper()
	if got := b.content(prefix); !maps.Equal(got, want) {
		b.t.Errorf("below %s there is %v, want %v", prefix, got, want)
	}
}

// foreign writes as somebody else does.
func (b *bench) foreign(k, v string) int64 {
	b.t.Helper()
	resp, err := b.server.Client().Put(b.t.Context(), k, v)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.Header.Revision
}

func TestDetect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	etcd := testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true})
	for want, cli := range map[bool]*clientv3.Client{true: b.server.Client(), false: etcd.Client()} {
		if got, err := kine.Detect(t.Context(), cli, key.String()); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if b.Tier() != "kine" {
		t.Errorf("the tier is %q", b.Tier())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kine.Detect(ctx, b.server.Client(), key.String()); err == nil {
		t.Error("a question without an answer decides")
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.commit(put("/a/1", "one"), put("/a/2", "two"), put("/b/3", ""))
	b.commit(put("/a/1", "uno"), del("/a/2"), del("/a/never"), put("/b/4", "four"))
	b.commit(put("/a/2", "again"))
	b.want("/", map[string]string{"/a/1": "uno", "/a/2": "again", "/b/3": "", "/b/4": "four",
		"/registry/health": `{"health":"true"}`, key.String(): b.content("/syncer/")[key.String()]})
	c, found, _, err := b.Load(t.Context())
	if err != nil || !found || c.Revision != 3 {
		t.Errorf("the cursor is %+v, %v, %v", c, found, err)
	}
}

// What is done already is not done again: a commit that did not come to its end
// is made again as a whole.
func TestWrittenAlready(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.commit(put("/a/1", "one"), put("/a/2", "two"), del("/a/3"))
	_, before, err := b.Get(t.Context(), []byte("/a/1"))
	if err != nil {
		t.Fatal(err)
	}
	b.commit(put("/a/1", "one"), put("/a/2", "changed"), del("/a/3"))
	if _, after, _ := b.Get(t.Context(), []byte("/a/1")); after != before {
		t.Errorf("/a/1 was written again, at %d", after)
	}
	b.want("/a/", map[string]string{"/a/1": "one", "/a/2": "changed"})
}

func TestFencing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.commit(put("/a/1", "one"))
	second := b.open()
	for what, tx := range map[string]target.Tx{
		"with a cursor":    {Changes: []change.Change{put("/a/1", "stale")}, Cursor: &target.Cursor{Revision: 2}},
		"without a cursor": {Changes: []change.Change{put("/a/1", "stale")}},
	} {
		var fenced *target.Fenced
		if _, err := b.Commit(t.Context(), tx); !errors.As(err, &fenced) {
			t.Errorf("%s: got %v, want Fenced", what, err)
		}
	}
	if err := b.Park(t.Context(), []target.Parked{{ID: "1-a", Why: status.Invalid}}); err == nil {
		t.Error("a fenced writer parks")
	}
	b.want("/a/", map[string]string{"/a/1": "one"})
	if _, err := second.Commit(t.Context(), target.Tx{Changes: []change.Change{put("/a/1", "new")}, Cursor: &target.Cursor{Revision: 2}}); err != nil {
		t.Error(err)
	}
	b.want("/a/", map[string]string{"/a/1": "new"})
}

// A cursor that is gone, or an older one, stops the writer, too.
func TestMoved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.commit(put("/a/1", "one"))
	if err := b.server.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	var moved *target.Moved
	if _, err := b.Commit(t.Context(), target.Tx{Changes: []change.Change{put("/a/1", "two")}}); !errors.As(err, &moved) || moved.Found {
		t.Errorf("got %v, want Moved", err)
	}
	b.want("/a/", map[string]string{})
}

func TestGuards(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	known := b.commit(put("/a/1", "one"), put("/a/2", "two"))
	local := b.foreign("/a/2", "local")
	tx := target.Tx{
		Changes: []change.Change{put("/a/1", "changed"), put("/a/2", "changed"), put("/a/3", "new")},
		Newest:  func([]byte) int64 { return known },
	}
	var dirty *target.Dirty
	if _, err := b.Commit(t.Context(), tx); !errors.As(err, &dirty) || dirty.Revision != local {
		t.Errorf("got %v, want Dirty at %d", err, local)
	}
	b.want("/a/", map[string]string{"/a/1": "one", "/a/2": "local"})
	tx.Newest = func([]byte) int64 { return local }
	if _, err := b.Commit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	// What we wrote ourselves is no news, whatever the caller says.
	tx.Changes[0].Value, tx.Newest = []byte("once more"), func([]byte) int64 { return 0 }
	if _, err := b.Commit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	b.want("/a/", map[string]string{"/a/1": "once more", "/a/2": "changed", "/a/3": "new"})
}

func TestScanAndReplace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var all []change.Change
	for i := range 250 {
		all = append(all, put(fmt.Sprintf("/a/%03d", i), fmt.Sprint("value ", i)))
	}
	b.commit(all...)
	b.foreign("/c/other", "stays")
	b.foreign("z", "stays") // behind kine's own key
	b.foreign("/a/zz", "local")
	want := []change.KV{{Key: []byte("/a/007"), Value: []byte("other")}, {Key: []byte("/a/008"), Value: []byte("value 8")}, {Key: []byte("/b/1"), Value: []byte("new")}}
	done, err := b.Replace(t.Context(), target.Chunk{Range: change.Range{}, Want: want})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Put) != 2 || len(done.Deleted) != 249 || done.Unchanged != 1 {
		t.Errorf("put %d, deleted %d, unchanged %d", len(done.Put), len(done.Deleted), done.Unchanged)
	}
	b.want("/a/", map[string]string{"/a/007": "other", "/a/008": "value 8"})
	b.want("/b/", map[string]string{"/b/1": "new"})
	b.want("/c/", map[string]string{"/c/other": "stays"})
	var got []string
	_, err = b.Scan(t.Context(), []change.Range{{}}, func(kvs []change.KV) error {
		for _, kv := range kvs {
			if !strings.HasPrefix(string(kv.Key), target.Prefix) {
				got = append(got, string(kv.Key))
			}
		}
		return nil
	})
	if want := []string{"/a/007", "/a/008", "/b/1", "/c/other", "/registry/health", "z"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("everything is %q, %v, want %q", got, err, want)
	}
}

func TestAuditFindsWritesOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	since := b.commit(put("/a/1", "one"))
	b.commit(put("/a/2", "two"), put("/a/3", "three"), put("/b/1", "one"), del("/a/1"))
	none := func(int64) bool { return false }
	a, err := b.Audit(t.Context(), ranges, since, 4, none)
	if err != nil || a.Count != 3 || a.Foreign != nil {
		t.Errorf("got %d keys, foreign %q, %v", a.Count, a.Foreign, err)
	}
	b.foreign("/a/2", "local")
	if a, err = b.Audit(t.Context(), ranges, since, 4, none); err != nil || string(a.Foreign) != "/a/2" {
		t.Errorf("foreign is %q, %v", a.Foreign, err)
	}
}

func TestUnfitKeysAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	everything, err := kine.Open(t.Context(), b.server.Client(), key, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := everything.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	bad := []string{"/a/\xff", "/a/\x00", "compact_rev_key", "\U0010FFFF!"}
	changes := []change.Change{put("/a/good", "1"), {Op: change.Put, Key: []byte("/a/large"), Value: make([]byte, 2<<20)}}
	for _, k := range bad {
		changes = append(changes, put(k, "1"))
		if _, err := everything.Commit(t.Context(), target.Tx{Changes: []change.Change{put("/a/first", "1"), put(k, "1")}}); !errors.Is(err, target.ErrForbidden) {
			t.Errorf("%q: got %v, want it forbidden", k, err)
		}
	}
	b.want("/a/", map[string]string{})
	refused, err := everything.Refused(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, r := range refused {
		why[string(r.Key)] = r.Why
	}
	want := map[string]string{"/a/large": status.TooLarge}
	for _, k := range bad {
		want[k] = status.Invalid
	}
	if !maps.Equal(why, want) {
		t.Errorf("refused are %q, want %q", why, want)
	}
	var large *target.TooLarge
	if _, err := everything.Commit(t.Context(), target.Tx{Changes: changes[:2]}); !errors.As(err, &large) {
		t.Errorf("got %v, want TooLarge", err)
	}
	b.want("/a/", map[string]string{})
}
