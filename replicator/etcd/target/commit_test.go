package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// However many keys a transaction holds, all of them and the cursor change at
// one revision of the target.
func TestPutsAreAtomic(t *testing.T) {
	b := newBench(t)
	for _, n := range []int{1, 126, 127, 128, 129, 5000, 20_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			before := b.revision()
			rev := b.commit(int64(n), puts(names(fmt.Sprintf("/%d/", n), n))...)
			if rev != before+1 {
				t.Errorf("revision %d after %d: want one step", rev, before)
			}
			got := 0
			for k, kv := range b.content() {
				if !strings.HasPrefix(k, fmt.Sprintf("/%d/", n)) {
					continue
				}
				got++
				if kv.modRev != rev {
					t.Fatalf("%s changed at %d, want %d", k, kv.modRev, rev)
				}
			}
			if got != n {
				t.Errorf("%d keys, want %d", got, n)
			}
			c, _, modRev, err := b.Load(t.Context())
			if err != nil || c.Revision != int64(n) || modRev != rev {
				t.Errorf("cursor at %d in revision %d, %v; want %d in %d", c.Revision, modRev, err, n, rev)
			}
		})
	}
}

// 20,000 deletes of long keys do not fit into a request one by one. What has
// no tombstone stays, also in the middle of the run.
func TestDeletesAreAtomicAndContained(t *testing.T) {
	for name, pad := range map[string]int{"short": 0, "long": 120} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			keys := names("/app/"+strings.Repeat("x", pad), 20_000)
			foreign := []string{"/app", keys[0] + "!", keys[9_999] + "!", keys[19_999] + "!", "/apq"}
			fill(t, b.cli, append(slices.Clone(keys), foreign...)...)
			before := b.revision()
			tx := append(deletes(keys), put(keys[5_000]+"/new", "v"), put("/zzz", "v"))
			rev := b.commit(7, tx...)
			if rev != before+1 {
				t.Errorf("revision %d after %d: want one step", rev, before)
			}
			got := b.content()
			for _, k := range append(foreign, keys[5_000]+"/new", "/zzz") {
				if got[k] == nil {
					t.Errorf("%s is gone", k)
				}
			}
			if len(got) != len(foreign)+2 {
				t.Errorf("%d keys are left, want %d", len(got), len(foreign)+2)
			}
		})
	}
}

// A local write into a run after it was listed makes the compare fail, and the
// run is made anew around it.
func TestCollapseRetriesAfterLocalWrite(t *testing.T) {
	b := newBench(t)
	keys := names("/app/"+strings.Repeat("x", 120), 20_000)
	fill(t, b.cli, keys...)
	changes := deletes(keys)
	req, err := b.plan(t.Context(), changes, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	local := keys[77] + "-local"
	fill(t, b.cli, local)
	if _, err := b.send(t.Context(), req, nil); !errors.Is(err, errTouched) {
		t.Fatalf("a stale run gave %v, want errTouched", err)
	}
	if n := len(b.content()); n != 20_001 {
		t.Fatalf("the refused transaction left %d keys", n)
	}
	if _, err := b.Commit(t.Context(), Tx{Changes: changes}); err != nil {
		t.Fatal(err)
	}
	if got := b.content(); len(got) != 1 || got[local] == nil {
		t.Errorf("left: %d keys, local kept: %v", len(got), got[local] != nil)
	}
}

// Runs never reach across the border of the selection, and never over the
// cursor.
func TestCollapseRespectsBorders(t *testing.T) {
	ranges := []change.Range{change.PrefixRange([]byte("/a/")), change.PrefixRange([]byte("/x/"))}
	b := newBench(t, WithRanges(ranges), WithLimits(Limits{MaxOps: 128, MaxBytes: 2 << 10}))
	keys := append(names("/a/", 200), names("/x/", 200)...)
	fill(t, b.cli, keys...)
	req, err := b.plan(t.Context(), deletes(keys), nil, []byte("cursor"))
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Success) != 3 || len(req.Compare) != 3 {
		t.Errorf("%d operations and %d compares, want the cursor and two runs, each with a guard", len(req.Success), len(req.Compare))
	}
	b.commit(3, deletes(keys)...)
	if got := b.content(); len(got) != 0 {
		t.Errorf("%d keys are left", len(got))
	}
}

func TestManyRunsShareGuards(t *testing.T) {
	b := newBench(t, WithLimits(Limits{MaxOps: 128, MaxBytes: 24 << 10}))
	var mine, foreign []string
	for i, k := range names("/app/"+strings.Repeat("x", 40), 800) {
		if mine = append(mine, k); i%8 == 0 {
			foreign = append(foreign, k+"!")
		}
	}
	fill(t, b.cli, append(slices.Clone(mine), foreign...)...)
	b.commit(1, deletes(mine)...)
	got := b.content()
	for _, k := range foreign {
		if got[k] == nil {
			t.Errorf("%s is gone", k)
		}
	}
	if len(got) != len(foreign) {
		t.Errorf("%d keys are left, want %d", len(got), len(foreign))
	}
}

func TestLargeValue(t *testing.T) {
	b := newBench(t)
	big := strings.Repeat("v", 1_400_000)
	b.commit(1, put("/big", big))
	if got := b.content()["/big"]; got == nil || got.value != big {
		t.Error("the value did not arrive")
	}
	_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/a", big), put("/b", big)}, Cursor: &Cursor{Revision: 2}})
	var large *TooLarge
	if !errors.As(err, &large) || large.Limit != b.Limits().MaxBytes || large.Bytes < 2*len(big) || large.Ops != 2 {
		t.Fatalf("got %v, want TooLarge", err)
	}
	if fault.Try(err) == "" {
		t.Error("the error has no remedy")
	}
	parts := b.Split([]change.Change{put("/a", big), put("/b", big)})
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	for i, p := range parts {
		b.commit(int64(i+2), p...)
	}
}

// The server's own verdict counts when our knowledge of its limit is wrong.
func TestServerLimitIsTooLarge(t *testing.T) {
	b := newBench(t, WithLimits(Limits{MaxOps: 128, MaxBytes: 64 << 20}))
	for _, n := range []int{1_600_000, 4_000_000} {
		_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/a", strings.Repeat("v", n))}, Cursor: &Cursor{}})
		var large *TooLarge
		if !errors.As(err, &large) {
			t.Errorf("%d bytes: got %v, want TooLarge", n, err)
		}
	}
	b.commit(1, put("/a", "v"))
}

func TestConcurrentDataCommits(t *testing.T) {
	b := newBench(t)
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			for j := range 20 {
				_, err := b.Commit(t.Context(), Tx{Changes: puts(names(fmt.Sprintf("/%d/%d/", i, j), 10))})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range 10 {
		g.Go(func() error {
			_, err := b.Commit(t.Context(), Tx{Cursor: &Cursor{Revision: int64(i)}})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(b.content()); n != 8*20*10 {
		t.Errorf("%d keys, want %d", n, 8*20*10)
	}
}

func TestContained(t *testing.T) {
	b := newBench(t, WithRanges([]change.Range{change.PrefixRange([]byte("/app/")), change.PrefixRange([]byte("/syncer/"))}))
	for name, c := range map[string]change.Change{
		"outside":    put("/other", "v"),
		"own prefix": put("/syncer/cursor/cloud/shop", "v"),
		"empty key":  put("", "v"),
		"deletion":   del("/apq"),
	} {
		before := b.revision()
		_, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/app/ok", "v"), c}})
		if fault.ExitCode(err) != int(fault.Safety) {
			t.Errorf("%s: got %v, want a safety stop", name, err)
		}
		if b.revision() != before {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestMalformedTransactions(t *testing.T) {
	b := newBench(t)
	for _, changes := range [][]change.Change{
		{put("/a", "1"), put("/b", "1"), put("/a", "2")},
		{{Key: []byte("/a")}},
	} {
		if _, err := b.Commit(t.Context(), Tx{Changes: changes}); err == nil {
			t.Errorf("%v was accepted", changes)
		}
	}
}

func TestCommitNeedsCursor(t *testing.T) {
	tg := open(t, connect(t, startEtcd(t)))
	_, err := tg.Commit(t.Context(), Tx{Changes: []change.Change{put("/a", "v")}})
	if !errors.Is(err, ErrNotLoaded) {
		t.Errorf("got %v, want ErrNotLoaded", err)
	}
}

func BenchmarkCommit64KiB(b *testing.B) {
	bn := benchOn(b, startEtcd(b), "bench")
	const batch = 128 // of 512 bytes
	value := strings.Repeat("v", 512-len("/bench/00000"))
	changes := make([]change.Change, batch)
	n := 0
	for b.Loop() {
		for i := range changes {
			changes[i] = put(fmt.Sprintf("/bench/%05d", (n*batch+i)%20_000), value)
		}
		n++
		if _, err := bn.Commit(context.Background(), Tx{Changes: changes, Cursor: &Cursor{Revision: int64(n)}}); err != nil {
			b.Fatal(err)
		}
		if n%2_000 == 0 {
			if _, err := bn.cli.Compact(context.Background(), bn.guard.modRev, clientv3.WithCompactPhysical()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n*batch)/b.Elapsed().Seconds(), "keys/s")
}
