package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// A watch over one connection that is cut, with a queue that keeps running
// full and a sink that keeps falling behind, must show what an undisturbed
// watch of clientv3 shows.
func TestWatchShowsTheTruth(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	e := newEtcd(t)
	proxy := testbed.NewProxy(t, e.Address())
	s := newTestSource(dialTest(t, proxy.Address()), Options{MaxBytes: 20_000, Progress: 10 * time.Millisecond}, "a/", "c/", "x")
	truth := e.Client().Watch(testContext(t), "\x00", clientv3.WithFromKey(), clientv3.WithRev(1))
	slow := rand.New(rand.NewPCG(seed, 1))
	f := startFollowing(t, s, 1, func(Batch) error {
		if slow.IntN(10) == 0 {
			<-time.After(time.Duration(slow.IntN(20)) * time.Millisecond)
		}
		return nil
	})
	var last int64
	for i := range 800 {
		last = randomWrite(t, e.Client(), rnd)
		if i%100 == 99 {
			proxy.Cut()
		}
	}
	got := f.reach(last)
	if want := trueText(t, truth, s.sel, last); text(got) != want {
		t.Fatalf("seed %d: the watch shows something else than the truth\n%s", seed, firstDifference(text(got), want))
	}
	t.Logf("%d revisions in %d batches", len(got), f.batches)
}

// randomWrite commits one transaction that changes something.
func randomWrite(t *testing.T, cli *clientv3.Client, rnd *rand.Rand) int64 {
	prefixes := []string{"a/", "b/", "c/", "w", "x", "y"}
	key := func() string { return fmt.Sprintf("%s%02d", prefixes[rnd.IntN(len(prefixes))], rnd.IntN(20)) }
	if rnd.IntN(20) == 0 {
		return commit(t, cli, clientv3.OpDelete(key()[:1], clientv3.WithPrefix()), clientv3.OpPut("z", ""))
	}
	ops := map[string]clientv3.Op{}
	for range 1 + rnd.IntN(10) {
		k := key()
		ops[k] = clientv3.OpPut(k, fmt.Sprintf("%0*d", 1+rnd.IntN(300), rnd.IntN(1000)))
		if rnd.IntN(4) == 0 {
			ops[k] = clientv3.OpDelete(k)
		}
	}
	list := slices.Collect(maps.Values(ops))
	return commit(t, cli, append(list, clientv3.OpPut("z", ""))...) // z comes last
}

// trueText reads the other watch up to last and writes what lies in sel.
func trueText(t *testing.T, truth clientv3.WatchChan, sel selection, last int64) string {
	var out []Revision
	for resp := range truth {
		if err := resp.Err(); err != nil {
			t.Fatalf("the other watch: %v", err)
		}
		for _, ev := range resp.Events {
			if ev.Kv.ModRevision > last {
				return text(out)
			}
			if n := len(out); sel.contains(ev.Kv.Key) {
				if n == 0 || out[n-1].Revision != ev.Kv.ModRevision {
					out = append(out, Revision{Revision: ev.Kv.ModRevision})
					n++
				}
				out[n-1].Events = append(out[n-1].Events, eventOf(ev))
			}
			if ev.Kv.ModRevision == last && string(ev.Kv.Key) == "z" {
				return text(out)
			}
		}
	}
	t.Fatal("the other watch ended")
	return ""
}

func firstDifference(got, want string) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	around := func(s string) string { return s[max(0, n-200):min(len(s), n+200)] }
	return fmt.Sprintf("got\n...%s...\nwant\n...%s...", around(got), around(want))
}

// The sequence of the index: read a range, then know when the watch has passed
// the revision of the read.
func TestNudgeReachesTheRevisionOfARead(t *testing.T) {
	e := newEtcd(t)
	s := newTestSource(e.Client(), Options{Progress: time.Hour, Silence: time.Hour}, "a/")
	f := startFollowing(t, s, 1, nil)
	ctx, stop := context.WithCancel(testContext(t))
	wrote := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			_, err = e.Client().Put(ctx, fmt.Sprintf("%c/%d", 'a'+i%2, i%50), fmt.Sprint(i))
		}
		wrote <- err
	}()
	for range 30 {
		items, rev, err := s.Read(testContext(t), aRange)
		if err != nil {
			t.Fatal(err)
		}
		s.Nudge()
		content := map[string]int64{}
		for _, r := range f.reach(rev) {
			for _, e := range r.Events {
				if r.Revision <= rev && e.Op == change.Put {
					content[string(e.Key)] = e.ModRevision
				}
			}
		}
		for _, it := range items {
			if content[string(it.Key)] != it.ModRevision {
				t.Fatalf("%s: read at revision %d, watched at %d", it.Key, it.ModRevision, content[string(it.Key)])
			}
		}
		if len(items) != len(content) {
			t.Fatalf("read %d keys, watched %d", len(items), len(content))
		}
	}
	stop()
	if err := <-wrote; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
