package source

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/testbed"
)

func TestMain(m *testing.M) {
	testbed.Main()
	os.Exit(m.Run())
}

// patienceOfTests ends a test that would otherwise hang; nothing waits for it.
const patienceOfTests = 60 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfTests)
	t.Cleanup(cancel)
	return ctx
}

func prefixes(ps ...string) []change.Range {
	var out []change.Range
	for _, p := range ps {
		out = append(out, change.PrefixRange([]byte(p)))
	}
	return out
}

func newEtcd(t testing.TB) *testbed.Etcd { return testbed.NewEtcd(t, testbed.EtcdConfig{Fast: true}) }

func newTestSource(cli *clientv3.Client, opts Options, ps ...string) *Source {
	if opts.Progress == 0 {
		opts.Progress = 50 * time.Millisecond
	}
	return New(cli, prefixes(ps...), opts, slog.New(slog.DiscardHandler))
}

func put(t testing.TB, cli *clientv3.Client, key, value string) int64 {
	t.Helper()
	r, err := cli.Put(testContext(t), key, value)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return r.Header.Revision
}

func commit(t testing.TB, cli *clientv3.Client, ops ...clientv3.Op) int64 {
	t.Helper()
	r, err := cli.Txn(testContext(t)).Then(ops...).Commit()
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return r.Header.Revision
}

func compact(t testing.TB, cli *clientv3.Client, rev int64) {
	t.Helper()
	if _, err := cli.Compact(testContext(t), rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatalf("compact at %d: %v", rev, err)
	}
}

// fill writes n keys under prefix in transactions of up to 100.
func fill(t testing.TB, cli *clientv3.Client, prefix string, n, size int) (last int64) {
	t.Helper()
	value := strings.Repeat("v", size)
	var ops []clientv3.Op
	for i := range n {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s%06d", prefix, i), value))
		if len(ops) == 100 || i == n-1 {
			last = commit(t, cli, ops...)
			ops = nil
		}
	}
	return last
}

// following is a Watch in the background that checks every batch.
type following struct {
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{} // closed when Watch has returned
	err    error         // of Watch, after done

	mu        sync.Mutex
	revisions []Revision
	resolved  int64
	batches   int
	changed   chan struct{} // closed and replaced on every batch
}

// startFollowing runs Watch until the test ends. sink may be nil.
func startFollowing(t testing.TB, s *Source, from int64, sink func(Batch) error) *following {
	ctx, cancel := context.WithCancel(testContext(t))
	f := &following{t: t, cancel: cancel, done: make(chan struct{}), resolved: from - 1, changed: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = s.Watch(ctx, from, func(b Batch) error {
			f.add(b)
			if sink != nil {
				return sink(b)
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-f.done
	})
	return f
}

func (f *following) add(b Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches++
	last := f.resolved
	for _, r := range b.Revisions {
		if r.Revision <= last {
			f.t.Errorf("revision %d after everything up to %d was resolved", r.Revision, last)
		}
		last = r.Revision
		if len(r.Events) == 0 {
			f.t.Errorf("revision %d has no events", r.Revision)
		}
		for _, e := range r.Events {
			if e.ModRevision != r.Revision {
				f.t.Errorf("revision %d holds an event of revision %d", r.Revision, e.ModRevision)
			}
		}
	}
	if b.Resolved < last {
		f.t.Errorf("resolved went to %d after %d", b.Resolved, last)
	}
	f.resolved = b.Resolved
	f.revisions = append(f.revisions, b.Revisions...)
	close(f.changed)
	f.changed = make(chan struct{})
}

// reach waits until everything up to rev is resolved and returns what came.
func (f *following) reach(rev int64) []Revision {
	f.t.Helper()
	for {
		f.mu.Lock()
		resolved, revisions, changed := f.resolved, f.revisions, f.changed
		f.mu.Unlock()
		if resolved >= rev {
			return revisions
		}
		select {
		case <-changed:
		case <-f.done:
			f.t.Fatalf("watch ended at %d, before %d: %v", resolved, rev, f.err)
		}
	}
}

// end waits until Watch returns by itself.
func (f *following) end() error {
	<-f.done
	return f.err
}

// text writes revisions for comparing and for reading.
func text(revisions []Revision) string {
	var b strings.Builder
	for _, r := range revisions {
		fmt.Fprintf(&b, "%d:", r.Revision)
		for _, e := range r.Events {
			fmt.Fprintf(&b, " %s %s=%s", e.Op, e.Key, e.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
