package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// eachServer runs a test against a server with RangeStream and against one
// without.
func eachServer(t *testing.T, test func(t *testing.T, cli, writer *clientv3.Client)) {
	t.Run("streams", func(t *testing.T) {
		e := newEtcd(t)
		test(t, dialTest(t, e.Address()), e.Client())
	})
	t.Run("pages", func(t *testing.T) {
		e := newEtcd(t)
		test(t, dialPaging(t, e.Address()), e.Client())
	})
}

var aRange = change.PrefixRange([]byte("a/"))

func TestReadsShowTheContent(t *testing.T) {
	eachServer(t, func(t *testing.T, cli, writer *clientv3.Client) {
		const n = 12_345
		put(t, writer, "a", "outside")
		put(t, writer, "b", "outside")
		rev := fill(t, writer, "a/", n, 20)
		s := newTestSource(cli, Options{}, "a/")
		scanned := scanAll(t, s, rev)
		wantFilled(t, "Scan", scanned, n, 20)
		items, got, err := s.Read(testContext(t), aRange)
		if err != nil || got != rev {
			t.Fatalf("Read at %d: %v, want %d", got, err, rev)
		}
		wantFilled(t, "Read", items, n, 20)
		var keys []Item
		got, err = s.Keys(testContext(t), aRange, func(part []Item) error {
			keys = append(keys, part...)
			return nil
		})
		if err != nil || got != rev {
			t.Fatalf("Keys at %d: %v, want %d", got, err, rev)
		}
		wantFilled(t, "Keys", keys, n, 0)
		for i := range keys {
			if keys[i].ModRevision != scanned[i].ModRevision {
				t.Fatalf("%s: Keys says revision %d, Scan %d", keys[i].Key, keys[i].ModRevision, scanned[i].ModRevision)
			}
		}
		if current, err := s.Current(testContext(t)); err != nil || current != rev {
			t.Fatalf("Current is %d: %v, want %d", current, err, rev)
		}
	})
}

func TestScanAtShowsOneRevision(t *testing.T) {
	eachServer(t, func(t *testing.T, cli, writer *clientv3.Client) {
		const n = 3_000
		rev := fill(t, writer, "a/", n, 20)
		for i := range 5 {
			put(t, writer, fmt.Sprintf("a/later%d", i), "unseen")
		}
		s := newTestSource(cli, Options{}, "a/")
		var items []Item
		err := s.ScanAt(testContext(t), aRange, rev, func(part []Item) error {
			items = append(items, part...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantFilled(t, "ScanAt", items, n, 20)
		if _, err := writer.Compact(testContext(t), rev+1); err != nil {
			t.Fatal(err)
		}
		var gone *Compacted
		if err := s.ScanAt(testContext(t), aRange, rev, func([]Item) error { return nil }); !errors.As(err, &gone) || gone.Revision != rev {
			t.Errorf("a compacted revision: %v", err)
		}
	})
}

func scanAll(t *testing.T, s *Source, rev int64) (items []Item) {
	t.Helper()
	first, last, err := s.Scan(testContext(t), aRange, func(part []Item) error {
		items = append(items, part...)
		return nil
	})
	if err != nil || first != rev || last != rev {
		t.Fatalf("Scan from %d to %d: %v, want %d", first, last, err, rev)
	}
	return items
}

func wantFilled(t *testing.T, who string, items []Item, n, size int) {
	t.Helper()
	if len(items) != n {
		t.Fatalf("%s: %d items, want %d", who, len(items), n)
	}
	for i, it := range items {
		if want := fmt.Sprintf("a/%06d", i); string(it.Key) != want || len(it.Value) != size {
			t.Fatalf("%s: item %d is %q with %d bytes, want %q with %d", who, i, it.Key, len(it.Value), want, size)
		}
	}
}

func TestReadsOfNothing(t *testing.T) {
	eachServer(t, func(t *testing.T, cli, writer *clientv3.Client) {
		rev := put(t, writer, "b", "outside")
		s := newTestSource(cli, Options{}, "a/")
		if got := scanAll(t, s, rev); len(got) != 0 {
			t.Errorf("Scan: %v", got)
		}
		for _, r := range []change.Range{aRange, {Lo: nil, Hi: []byte{0}}, {Lo: []byte("c"), Hi: []byte("b")}} {
			items, got, err := s.Read(testContext(t), r)
			if err != nil || got != rev || len(items) != 0 {
				t.Errorf("Read %s: %v at %d: %v", r, items, got, err)
			}
			got, err = s.Keys(testContext(t), r, func(part []Item) error { return fmt.Errorf("got %v", part) })
			if err != nil || got != rev {
				t.Errorf("Keys %s at %d: %v", r, got, err)
			}
		}
	})
}

func TestFetch(t *testing.T) {
	cli := newEtcd(t).Client()
	rev := fill(t, cli, "a/", 500, 10)
	s := newTestSource(cli, Options{}, "a/")
	var keys [][]byte
	for i := range 1000 {
		keys = append(keys, fmt.Appendf(nil, "a/%06d", i))
	}
	var found []Item
	var missing [][]byte
	err := s.Fetch(testContext(t), keys, func(f []Item, m [][]byte, got int64) error {
		if got != rev {
			t.Errorf("fetched at %d, want %d", got, rev)
		}
		found, missing = append(found, f...), append(missing, m...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, "Fetch", found, 500, 10)
	if len(missing) != 500 || !bytes.Equal(missing[0], keys[500]) {
		t.Fatalf("%d keys are missing, want 500", len(missing))
	}
}

func TestReadsPassOnTheErrorOfTheirFunction(t *testing.T) {
	eachServer(t, func(t *testing.T, cli, writer *clientv3.Client) {
		fill(t, writer, "a/", 1000, 10)
		s := newTestSource(cli, Options{}, "a/")
		stop := errors.New("enough")
		fail := func([]Item) error { return stop }
		if _, _, err := s.Scan(testContext(t), aRange, fail); err != stop {
			t.Errorf("Scan: %v", err)
		}
		if _, err := s.Keys(testContext(t), aRange, fail); err != stop {
			t.Errorf("Keys: %v", err)
		}
		if err := s.Fetch(testContext(t), [][]byte{[]byte("a")}, func([]Item, [][]byte, int64) error { return stop }); err != stop {
			t.Errorf("Fetch: %v", err)
		}
	})
}

// Writers change random keys, never those that end in 7, and the history is
// compacted at its end all the time.
func TestReadsUnderCompaction(t *testing.T) {
	eachServer(t, func(t *testing.T, cli, writer *clientv3.Client) {
		const n = 5000
		fill(t, writer, "a/", n, 200)
		stop := churn(t, writer, n)
		s := newTestSource(cli, Options{}, "a/")
		compactions := 0
		for range 15 {
			var scanned []Item
			first, last, err := s.Scan(testContext(t), aRange, func(part []Item) error {
				scanned = append(scanned, part...)
				return nil
			})
			if err != nil || first > last || first == 0 {
				t.Fatalf("Scan from %d to %d: %v", first, last, err)
			}
			wantSteady(t, "Scan", scanned, n, last)
			if first != last {
				compactions++
			}
			var keys []Item
			rev, err := s.Keys(testContext(t), aRange, func(part []Item) error {
				keys = append(keys, part...)
				return nil
			})
			if err != nil {
				t.Fatalf("Keys: %v", err)
			}
			wantSteady(t, "Keys", keys, n, rev)
			items, rev, err := s.Read(testContext(t), aRange)
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			wantSteady(t, "Read", items, n, rev)
		}
		t.Logf("%d of 15 scans came from several revisions; %d compactions", compactions, stop())
	})
}

// wantSteady checks the order, the bound of the revisions, and that the keys
// which nobody touches are there.
func wantSteady(t *testing.T, who string, items []Item, n int, rev int64) {
	t.Helper()
	steady := 0
	for i, it := range items {
		if i > 0 && bytes.Compare(items[i-1].Key, it.Key) >= 0 {
			t.Fatalf("%s: %q after %q", who, it.Key, items[i-1].Key)
		}
		if it.ModRevision > rev {
			t.Fatalf("%s at %d shows revision %d of %q", who, rev, it.ModRevision, it.Key)
		}
		if it.Key[len(it.Key)-1] == '7' {
			steady++
		}
	}
	if steady != n/10 {
		t.Fatalf("%s shows %d of the %d keys that are always there", who, steady, n/10)
	}
}

// churn writes, deletes and compacts until stop is called, which returns how
// many compactions there were.
func churn(t *testing.T, cli *clientv3.Client, n int) (stop func() int) {
	ctx, cancel := context.WithCancel(testContext(t))
	var wg sync.WaitGroup
	compactions := 0
	wg.Go(func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		for ctx.Err() == nil {
			key := fmt.Sprintf("a/%06d", rnd.IntN(n/10)*10+rnd.IntN(7))
			op := clientv3.OpPut(key, "changed")
			if rnd.IntN(3) == 0 {
				op = clientv3.OpDelete(key)
			}
			resp, err := cli.Txn(ctx).Then(op, clientv3.OpPut("z", "")).Commit()
			if err == nil {
				_, err = cli.Compact(ctx, resp.Header.Revision)
				compactions++
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("churn: %v", err)
			}
		}
	})
	stop = func() int {
		cancel()
		wg.Wait()
		return compactions
	}
	t.Cleanup(func() { stop() })
	return stop
}
