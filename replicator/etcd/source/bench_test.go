package source

import (
	"context"
	"errors"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed"
)

const (
	benchKeys  = 100_000
	benchValue = 1 << 10
)

// benchEtcd is a server of its own process with 100,000 keys of 1 KiB.
func benchEtcd(b *testing.B) (e *testbed.EtcdProcess, last int64) {
	e = testbed.NewEtcdProcess(b, testbed.EtcdConfig{Fast: true, CatchUpEntries: 50})
	return e, fill(b, e.Client(), "a/", benchKeys, benchValue)
}

func perKey(b *testing.B) {
	b.ReportMetric(float64(benchKeys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric(0, "ns/op")
}

func count(n *int) func([]Item) error {
	return func(items []Item) error {
		*n += len(items)
		return nil
	}
}

func BenchmarkScan(b *testing.B) {
	e, _ := benchEtcd(b)
	for _, mode := range []string{"streams", "pages"} {
		b.Run(mode, func(b *testing.B) {
			cli := e.Client()
			if mode == "pages" {
				cli = dialPaging(b, e.Address())
			}
			s := newTestSource(cli, Options{}, "a/")
			for b.Loop() {
				n := 0
				if _, _, err := s.Scan(b.Context(), aRange, count(&n)); err != nil || n != benchKeys {
					b.Fatal(n, err)
				}
			}
			perKey(b)
		})
	}
}

func BenchmarkKeys(b *testing.B) {
	e, _ := benchEtcd(b)
	for _, mode := range []string{"streams", "pages"} {
		b.Run(mode, func(b *testing.B) {
			cli := e.Client()
			if mode == "pages" {
				cli = dialPaging(b, e.Address())
			}
			s := newTestSource(cli, Options{}, "a/")
			for b.Loop() {
				n := 0
				if _, err := s.Keys(b.Context(), aRange, count(&n)); err != nil || n != benchKeys {
					b.Fatal(n, err)
				}
			}
			perKey(b)
		})
	}
}

// BenchmarkWatch replays 1,000 revisions of 100 keys with 100 bytes each.
func BenchmarkWatch(b *testing.B) {
	e := testbed.NewEtcdProcess(b, testbed.EtcdConfig{Fast: true, CatchUpEntries: 50})
	last := fill(b, e.Client(), "a/", benchKeys, 100)
	s := newTestSource(e.Client(), Options{}, "a/")
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		n := 0
		err := s.Watch(ctx, 1, func(batch Batch) error {
			for _, r := range batch.Revisions {
				n += len(r.Events)
			}
			if batch.Resolved >= last {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) || n != benchKeys {
			b.Fatal(n, err)
		}
	}
	perKey(b)
}
