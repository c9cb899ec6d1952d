package kine_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/kine"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// doomed is a target whose process dies, as far as the server can tell, before
// its transaction of some number behind the claim. The context ends then.
func (b *bench) doomed(before int) (*target.Target, context.Context) {
	b.t.Helper()
	ctx, die := context.WithCancel(b.t.Context())
	b.t.Cleanup(die)
	var left atomic.Int64
	left.Store(1 << 40)
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{b.server.Endpoint()}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if strings.HasSuffix(method, "/Txn") && left.Add(-1) < 0 {
					die()
					return context.Canceled
				}
				return invoke(ctx, method, req, reply, cc, opts...)
			})},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = cli.Close() })
	tg, err := kine.Open(ctx, cli, key, ranges, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, _, err := tg.Claim(ctx, "doomed", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		b.t.Fatal(err)
	}
	left.Store(int64(before))
	return tg, ctx
}

// dies runs fn with targets that die before each of their transactions, on a
// server that begin has prepared, until one survives.
func dies(t *testing.T, begin func(*bench), fn func(context.Context, *target.Target) error, after func(b *bench, survived bool)) {
	t.Helper()
	b := newBench(t)
	for n := 0; ; n++ {
		b.Target = b.open()
		begin(b)
		doomed, ctx := b.doomed(n)
		err := fn(ctx, doomed)
		if survived := err == nil; survived != (ctx.Err() == nil) {
			t.Fatalf("transaction %d: %v, and the process is %v", n, err, ctx.Err())
		}
		b.Target = b.open()
		after(b, err == nil)
		if err == nil {
			t.Logf("%d transactions", n)
			return
		}
		if t.Failed() {
			t.Fatalf("killed before transaction %d", n)
		}
	}
}

// A commit that died is made again, and the cursor never says more than what is
// there.
func TestCrashWithinACommit(t *testing.T) {
	t.Parallel()
	old := map[string]string{"/a/1": "one", "/a/2": "two", "/b/1": "b"}
	wanted := map[string]string{"/a/1": "uno", "/b/1": "b", "/b/2": "new"}
	changes := []change.Change{put("/a/1", "uno"), del("/a/2"), put("/b/2", "new")}
	next := target.Cursor{Revision: 2, Consistent: true}
	var began, local int64
	commit := func(ctx context.Context, tg *target.Target) error {
		_, err := tg.Commit(ctx, target.Tx{Changes: changes, Cursor: &next})
		return err
	}
	dies(t, func(b *bench) {
		b.cursor = target.Cursor{Consistent: true}
		began = b.commit(put("/a/1", "one"), put("/a/2", "two"), put("/b/1", "b"), del("/b/2"))
	}, commit, func(b *bench, survived bool) {
		c, _, _, err := b.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Revision == 2 {
			b.want("/a/", map[string]string{"/a/1": "uno"})
			b.want("/b/", map[string]string{"/b/1": "b", "/b/2": "new"})
		} else if survived || c.Revision != 1 {
			t.Errorf("the cursor is at %d", c.Revision)
		}
		now := b.content("/a/")
		maps.Copy(now, b.content("/b/"))
		if c.Revision == 1 && !maps.Equal(now, old) && c.Ahead != 2 {
			t.Errorf("some keys are ahead, and the cursor says %d", c.Ahead)
		}
		if c.Revision == 2 && c.Ahead != 0 {
			t.Errorf("the cursor has arrived, and says it is at %d", c.Ahead)
		}
		local = b.foreign("/b/1", "b")
		if w := b.watched(began, local); len(w) != 1 || w[0].Revision != local {
			t.Errorf("others wrote %+v, want the one at %d", w, local)
		}
		for k, v := range now {
			if v != old[k] && v != wanted[k] {
				t.Errorf("%s is %q", k, v)
			}
		}
		if err := commit(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		b.want("/a/", map[string]string{"/a/1": "uno"})
		b.want("/b/", map[string]string{"/b/1": "b", "/b/2": "new"})
	})
}

// What was written of a chunk is known for ours, too, although no cursor came
// with it.
func TestCrashWithinAChunk(t *testing.T) {
	t.Parallel()
	var began int64
	dies(t, func(b *bench) {
		began = b.commit(put("/a/1", "one"), put("/a/2", "two"))
	}, func(ctx context.Context, tg *target.Target) error {
		_, err := tg.Replace(ctx, target.Chunk{Range: ranges[0], Want: []change.KV{{Key: []byte("/a/1"), Value: []byte("uno")}, {Key: []byte("/a/3"), Value: []byte("three")}}})
		return err
	}, func(b *bench, survived bool) {
		local := b.foreign("/a/1", "uno")
		if w := b.watched(began, local); len(w) != 1 || w[0].Revision != local {
			t.Errorf("others wrote %+v, want the one at %d", w, local)
		}
		if survived {
			b.want("/a/", map[string]string{"/a/1": "uno", "/a/3": "three"})
		}
		for k, v := range b.content("/syncer/mark/") {
			if v != "" {
				t.Errorf("%s tells of %d bytes still", k, len(v))
			}
		}
	})
}

func group(id string, n int, revision int64) target.Parked {
	g := target.Parked{ID: id, Why: status.MassDelete, Rule: "flags", Revision: revision, Since: time.Unix(1_800_000_000, 0).UTC()}
	long := strings.Repeat("x", 200)
	for i := range n {
		g.Keys = append(g.Keys, target.ParkedKey{Key: []byte(long + strings.Repeat("y", i%50) + string(rune('a'+i%26)) + long), Size: uint64(i)})
	}
	return g
}

func (b *bench) parkedNow() map[string]int {
	b.t.Helper()
	groups, err := b.Parked(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]int{}
	for _, g := range groups {
		out[g.ID] = len(g.Keys)
	}
	return out
}

// A group is there before or after, never in parts, wherever the process dies.
func TestCrashWhileParking(t *testing.T) {
	t.Parallel()
	const before, after = 700, 900 // of several pages
	parks := func(ctx context.Context, tg *target.Target) error {
		if err := tg.Park(ctx, []target.Parked{group("1-a", after, 2), group("2-b", 3, 2)}); err != nil {
			return err
		}
		return tg.Unpark(ctx, []string{"3-c"})
	}
	wanted := map[string]int{"1-a": after, "2-b": 3}
	dies(t, func(b *bench) {
		if err := b.Unpark(t.Context(), []string{"2-b"}); err != nil {
			t.Fatal(err)
		}
		if err := b.Park(t.Context(), []target.Parked{group("1-a", before, 1), group("3-c", before, 1)}); err != nil {
			t.Fatal(err)
		}
	}, parks, func(b *bench, survived bool) {
		got := b.parkedNow()
		if survived && !maps.Equal(got, wanted) {
			t.Errorf("parked are %v, want %v", got, wanted)
		}
		for id, of := range map[string][]int{"1-a": {before, after}, "2-b": {0, 3}, "3-c": {0, before}} {
			if n := got[id]; n != of[0] && n != of[1] {
				t.Errorf("group %s has %d keys", id, n)
			}
		}
		if err := parks(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		if got := b.parkedNow(); !maps.Equal(got, wanted) {
			t.Errorf("made again, parked are %v, want %v", got, wanted)
		}
		if err := b.Unpark(t.Context(), []string{"1-a", "2-b"}); err != nil {
			t.Fatal(err)
		}
		b.want("/syncer/parked/", map[string]string{})
	})
}

// A key that is released, or taken back, counts for one of both.
func TestCrashWhileReleasing(t *testing.T) {
	t.Parallel()
	released := []change.Change{{Op: change.Put, Key: []byte("/a/1"), Value: change.Released}, put("/a/2", "taken back"), del("/a/3")}
	commit := func(ctx context.Context, tg *target.Target) error {
		_, err := tg.Commit(ctx, target.Tx{Changes: released, Cursor: &target.Cursor{Revision: 2}})
		return err
	}
	scan := func(b *bench) map[string]string {
		out := map[string]string{}
		_, err := b.Scan(t.Context(), ranges, func(kvs []change.KV) error {
			for _, kv := range kvs {
				if out[string(kv.Key)] = string(kv.Value); change.IsReleased(kv.Value) {
					out[string(kv.Key)] = "released"
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	dies(t, func(b *bench) {
		b.cursor.Revision = 0
		b.commit(put("/a/1", "one"), change.Change{Op: change.Put, Key: []byte("/a/2"), Value: change.Released}, change.Change{Op: change.Put, Key: []byte("/a/3"), Value: change.Released})
	}, commit, func(b *bench, survived bool) {
		got := scan(b)
		for k, of := range map[string][]string{"/a/1": {"one", "released"}, "/a/2": {"released", "taken back"}, "/a/3": {"released", ""}} {
			if got[k] != of[0] && got[k] != of[1] {
				t.Errorf("%s is %q", k, got[k])
			}
		}
		if err := commit(t.Context(), b.Target); err != nil {
			t.Fatal(err)
		}
		if got := scan(b); !maps.Equal(got, map[string]string{"/a/1": "released", "/a/2": "taken back"}) {
			t.Errorf("made again, it is %v", got)
		}
		b.want("/a/", map[string]string{"/a/1": "one", "/a/2": "taken back"})
		if err := b.Disown(t.Context(), ranges); err != nil {
			t.Fatal(err)
		}
		b.want("/syncer/released/", map[string]string{})
	})
}

// A server that goes away is waited for, whatever it had in its hands.
func TestServerIsKilledUnderWrites(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const commits, kills = 60, 5
	want := map[string]string{}
	moved, done := make(chan struct{}, commits), make(chan error, 1)
	go func() {
		for i := range commits {
			k, v := string(rune('a'+i%26)), strings.Repeat("v", i)
			want["/a/"+k] = v
			c := target.Cursor{Revision: int64(i + 1)}
			if _, err := b.Commit(t.Context(), target.Tx{Changes: []change.Change{put("/a/"+k, v), del("/b/" + k), put("/b/x"+k, v)}, Cursor: &c}); err != nil {
				done <- err
				return
			}
			moved <- struct{}{}
		}
		done <- nil
	}()
	for range kills {
		for range commits / kills / 2 {
			select {
			case <-moved:
			case err := <-done:
				t.Fatal(err)
			}
		}
		if err := b.server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.want("/a/", want)
	if c, _, _, err := b.Load(t.Context()); err != nil || c.Revision != commits {
		t.Errorf("the cursor is at %d, %v", c.Revision, err)
	}
	a, err := b.Audit(t.Context(), ranges, 1, 0, func(int64) bool { return false })
	if err != nil || a.Foreign != nil || a.Count != 52 {
		t.Errorf("the audit finds %d keys, foreign %q, %v", a.Count, a.Foreign, err)
	}
}

// A kine whose disk is full answers the creation of a key as if it had made it.
// Nothing is taken for written that is not.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.server.Limit(t.Context(), 60); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	failed := 0
	for i := range 60 {
		k, v := fmt.Sprintf("/a/%02d", i), strings.Repeat("v", 5_000)
		c := target.Cursor{Revision: int64(i + 1)}
		if _, err := b.Commit(t.Context(), target.Tx{Changes: []change.Change{put(k, v)}, Cursor: &c}); err != nil {
			failed++
			continue
		}
		want[k] = v
	}
	if failed == 0 || len(want) == 0 {
		t.Fatalf("%d commits failed, %d did not: the test shows nothing", failed, len(want))
	}
	b.holds(want)
	if err := b.server.Limit(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.cursor.Revision = 100
	want["/a/99"] = "there is room again"
	b.commit(put("/a/99", want["/a/99"]))
	b.holds(want)
}

// holds checks that the server holds at least these keys.
func (b *bench) holds(want map[string]string) {
	b.t.Helper()
	got := b.content("/a/")
	for k, v := range want {
		if got[k] != v {
			b.t.Errorf("%s counts as written and is %.20q", k, got[k])
		}
	}
}
