package source

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestTransactionOverSeveralPrefixesIsOneRevision(t *testing.T) {
	cli := newEtcd(t).Client()
	f := startFollowing(t, newTestSource(cli, Options{}, "a/", "c/", "e/"), 1, nil)
	put(t, cli, "a/0", "old")
	first := commit(t, cli,
		clientv3.OpPut("e/1", "x"), clientv3.OpPut("b/1", "outside"), clientv3.OpPut("a/1", "y"),
		clientv3.OpDelete("a/0"), clientv3.OpPut("d", "outside"), clientv3.OpPut("c/1", "z"))
	outside := commit(t, cli, clientv3.OpPut("b/2", "outside"), clientv3.OpPut("d/2", "outside"))
	got := f.reach(outside)
	want := fmt.Sprintf("%d: put a/0=old\n%d: put e/1=x put a/1=y delete a/0= put c/1=z\n", first-1, first)
	if text(got) != want {
		t.Fatalf("got\n%swant\n%s", text(got), want)
	}
}

func TestPrefixDeleteIsOneRevision(t *testing.T) {
	cli := newEtcd(t).Client()
	const n = 20_000
	before := fill(t, cli, "a/", n, 10)
	f := startFollowing(t, newTestSource(cli, Options{MaxBytes: 256 << 10}, "a/"), before+1, nil)
	rev := commit(t, cli, clientv3.OpDelete("a/", clientv3.WithPrefix()))
	if got := f.reach(rev); len(got) != 1 || len(got[0].Events) != n {
		t.Fatalf("got %d revisions, the first with %d events", len(got), len(got[0].Events))
	}
}

func TestWatchRefusesToBeginNow(t *testing.T) {
	s := newTestSource(newEtcd(t).Client(), Options{}, "a/")
	for _, from := range []int64{0, -1} {
		if err := s.Watch(testContext(t), from, nil); err == nil {
			t.Errorf("from %d was taken", from)
		}
	}
	if err := newTestSource(s.cli, Options{}).Watch(testContext(t), 1, nil); !errors.Is(err, errNothing) {
		t.Errorf("without ranges: %v", err)
	}
}

func TestWatchEndsWithItsContextAndWithItsSink(t *testing.T) {
	cli := newEtcd(t).Client()
	cause := errors.New("done")
	ctx, cancel := context.WithCancelCause(testContext(t))
	s := newTestSource(cli, Options{}, "a/")
	put(t, cli, "a/1", "x")
	err := s.Watch(ctx, 1, func(Batch) error {
		cancel(cause)
		return nil
	})
	if !errors.Is(err, cause) {
		t.Errorf("ended with %v, want the cause of the context", err)
	}
	if err := s.Watch(testContext(t), 1, func(Batch) error { return cause }); err != cause {
		t.Errorf("ended with %v, want the error of the sink", err)
	}
}

func TestIdlePrefixResolves(t *testing.T) {
	cli := newEtcd(t).Client()
	f := startFollowing(t, newTestSource(cli, Options{}, "idle/"), put(t, cli, "other", "0")+1, nil)
	var last int64
	for i := range 50 {
		last = put(t, cli, fmt.Sprintf("other/%d", i), "x")
	}
	if got := f.reach(last); len(got) != 0 {
		t.Fatalf("an idle selection got %s", text(got))
	}
}

func TestNudgeAsksAtOnce(t *testing.T) {
	cli := newEtcd(t).Client()
	s := newTestSource(cli, Options{Progress: time.Hour, Silence: time.Hour}, "idle/")
	f := startFollowing(t, s, put(t, cli, "other", "0")+1, nil)
	for i := range 20 {
		rev := put(t, cli, fmt.Sprintf("other/%d", i), "x")
		s.Nudge()
		f.reach(rev)
	}
}

func TestWatchOfWholeKeyspaceAndOfOneKey(t *testing.T) {
	cli := newEtcd(t).Client()
	all := startFollowing(t, newTestSource(cli, Options{}, ""), 1, nil)
	one := New(cli, nil, Options{Progress: 50 * time.Millisecond}, newTestSource(cli, Options{}).log)
	one.sel = newSelection(prefixes("k"))
	one.sel[0].Hi = []byte("k\x00")
	single := startFollowing(t, one, 1, nil)
	put(t, cli, "\x00", "lowest")
	put(t, cli, "k", "1")
	put(t, cli, "kk", "2")
	last := put(t, cli, "\xff\xff", "highest")
	if got := all.reach(last); len(got) != 4 {
		t.Errorf("the whole keyspace got\n%s", text(got))
	}
	if got := single.reach(last); len(got) != 1 {
		t.Errorf("one key got\n%s", text(got))
	}
}

func TestCompactedEndsTheWatch(t *testing.T) {
	cli := newEtcd(t).Client()
	for i := range 10 {
		put(t, cli, "a", fmt.Sprint(i))
	}
	compact(t, cli, 8)
	err := newTestSource(cli, Options{}, "a").Watch(testContext(t), 3, func(Batch) error { return nil })
	var c *Compacted
	if !errors.As(err, &c) || c.Revision != 3 || c.CompactRevision != 8 {
		t.Fatalf("got %v", err)
	}
}

func TestDeleteAtTheCompactRevisionIsDelivered(t *testing.T) {
	cli := newEtcd(t).Client()
	put(t, cli, "a", "1")
	rev := commit(t, cli, clientv3.OpDelete("a"))
	put(t, cli, "b", "1")
	compact(t, cli, rev)
	f := startFollowing(t, newTestSource(cli, Options{}, "a"), rev, nil)
	if got, want := text(f.reach(rev)), fmt.Sprintf("%d: delete a=\n", rev); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestTooFarBehindIsRefused(t *testing.T) {
	cli := newEtcd(t).Client()
	var last int64
	for i := range 30 {
		last = put(t, cli, "other", fmt.Sprint(i))
	}
	s := newTestSource(cli, Options{MaxBacklog: 10}, "a")
	var b *Behind
	if err := s.Watch(testContext(t), last-10, nil); !errors.As(err, &b) || b.From != last-10 || b.Current != last {
		t.Fatalf("11 revisions behind: %v", err)
	}
	startFollowing(t, s, last-9, nil).reach(last)
}

// A sink that is slower than the writers loses the history, not events: what
// came before the end is without a gap.
func TestSlowSinkUnderCompactionEndsCompactedWithoutAGap(t *testing.T) {
	cli := newEtcd(t).Client()
	proceed := make(chan struct{})
	first := put(t, cli, "a", "0")
	f := startFollowing(t, newTestSource(cli, Options{MaxBytes: 1}, "a"), first, func(Batch) error {
		<-proceed
		return nil
	})
	f.reach(first)
	var last int64
	for i := range 500 {
		last = put(t, cli, "a", fmt.Sprint(i))
	}
	compact(t, cli, last)
	close(proceed)
	var c *Compacted
	if err := f.end(); !errors.As(err, &c) || c.CompactRevision != last {
		t.Fatalf("got %v", err)
	}
	next := first
	for _, r := range f.revisions {
		if r.Revision != next {
			t.Fatalf("revision %d instead of %d", r.Revision, next)
		}
		next++
	}
	if c.Revision != next {
		t.Fatalf("wants %d next, but %d was not delivered", c.Revision, next)
	}
}
