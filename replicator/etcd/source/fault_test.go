package source

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/testbed"
)

func TestWatchResumesOverRestarts(t *testing.T) {
	e := testbed.NewEtcdProcess(t, testbed.EtcdConfig{})
	f := startFollowing(t, newTestSource(e.Client(), Options{}, "a/", "c/"), 1, nil)
	want := ""
	for round := range 3 {
		for i := range 20 {
			rev := commit(t, e.Client(), clientv3.OpPut("a/k", fmt.Sprint(i)), clientv3.OpPut("b", ""), clientv3.OpPut("c/k", fmt.Sprint(round)))
			want += fmt.Sprintf("%d: put a/k=%d put c/k=%d\n", rev, i, round)
		}
		if err := e.Restart(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	if got := text(f.reach(put(t, e.Client(), "b", ""))); got != want {
		t.Fatalf("got\n%swant\n%s", got, want)
	}
}

func TestRestoredSourceWentBack(t *testing.T) {
	e := newEtcd(t)
	old := put(t, e.Client(), "a", "1")
	dir := t.TempDir() + "/backup"
	if err := e.Copy(testContext(t), dir); err != nil {
		t.Fatal(err)
	}
	put(t, e.Client(), "a", "2")
	last := put(t, e.Client(), "a", "3")
	s := newTestSource(e.Client(), Options{}, "a")
	f := startFollowing(t, s, 1, nil)
	f.reach(last)
	if err := e.Restore(testContext(t), dir); err != nil {
		t.Fatal(err)
	}
	wantBack(t, "a running watch", f.end(), old, last)
	wantBack(t, "a new watch", s.Watch(testContext(t), last+1, nil), old, last)
}

func wantBack(t *testing.T, who string, err error, revision, was int64) {
	t.Helper()
	var w *WentBack
	if !errors.As(err, &w) || w.Revision != revision || w.Was != was {
		t.Errorf("%s ended with %v, want back from %d to %d", who, err, was, revision)
	}
}

// A replaced source whose revision is already beyond the old one when the
// watch comes back shows by its raft term.
func TestReplacedSourceThatOvertookWentBack(t *testing.T) {
	e := newEtcd(t)
	if err := e.Restart(testContext(t)); err != nil { // each start is a term
		t.Fatal(err)
	}
	proxy := testbed.NewProxy(t, e.Address())
	cli := dialTest(t, proxy.Address())
	f := startFollowing(t, newTestSource(cli, Options{Patience: time.Second}, "a"), 1, nil)
	last := put(t, e.Client(), "a", "1")
	f.reach(last)
	proxy.Refuse()
	if err := e.Wipe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		put(t, e.Client(), "a", "2")
	}
	proxy.Pass()
	var w *WentBack
	if err := f.end(); !errors.As(err, &w) || w.Was != last || w.Revision <= w.Was {
		t.Fatalf("got %v", err)
	}
}

func TestUnreachableSourceEndsTheWatch(t *testing.T) {
	e := newEtcd(t)
	f := startFollowing(t, newTestSource(e.Client(), Options{Patience: 300 * time.Millisecond}, "a"), 1, nil)
	f.reach(put(t, e.Client(), "a", "1"))
	e.Stop()
	if err := f.end(); !transient(err) {
		t.Fatalf("got %v", err)
	}
}

func TestFrozenLinkEndsTheWatch(t *testing.T) {
	e := newEtcd(t)
	proxy := testbed.NewProxy(t, e.Address())
	cli := dialTest(t, proxy.Address())
	f := startFollowing(t, newTestSource(cli, Options{Silence: 200 * time.Millisecond, Patience: 300 * time.Millisecond}, "a"), 1, nil)
	f.reach(put(t, e.Client(), "a", "1"))
	proxy.BlackHole()
	if err := f.end(); !transient(err) {
		t.Fatalf("got %v", err)
	}
}

// The watch streams of this client go dumb after the first response, while the
// server answers everything else.
func TestSilentWatchIsOpenedAgain(t *testing.T) {
	e := newEtcd(t)
	var opened atomic.Int64
	cli := dialTest(t, e.Address(), grpc.WithChainStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			st, err := streamer(ctx, desc, cc, method, opts...)
			if err == nil && method == "/etcdserverpb.Watch/Watch" && opened.Add(1) <= 2 {
				st = &dumbStream{ClientStream: st}
			}
			return st, err
		}))
	f := startFollowing(t, newTestSource(cli, Options{Silence: 100 * time.Millisecond}, "a"), 1, nil)
	last := put(t, e.Client(), "a", "1")
	if got := f.reach(last); len(got) != 1 {
		t.Fatalf("got %s", text(got))
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d streams were opened, want 3", n)
	}
}

type dumbStream struct {
	grpc.ClientStream
	said bool
}

func (d *dumbStream) RecvMsg(m any) error {
	if d.said {
		<-d.Context().Done()
		return status.FromContextError(d.Context().Err()).Err()
	}
	d.said = true
	return d.ClientStream.RecvMsg(m)
}

// A watch at the next revision of an idle source gets no answer to its
// questions; it must be left alone.
func TestIdleSourceIsNotTakenForASilentWatch(t *testing.T) {
	e := newEtcd(t)
	var opened, questions atomic.Int64
	probed := make(chan struct{}, 100)
	cli := dialTest(t, e.Address(),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			opened.Add(1)
			return streamer(ctx, desc, cc, method, opts...)
		}),
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if questions.Add(1) <= 100 {
				probed <- struct{}{}
			}
			return invoker(ctx, method, req, reply, cc, opts...)
		}))
	last := put(t, e.Client(), "a", "1")
	f := startFollowing(t, newTestSource(cli, Options{Progress: 10 * time.Millisecond, Silence: 20 * time.Millisecond}, "a"), last+1, nil)
	for range 10 {
		<-probed
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d streams were opened, want 1", n)
	}
	if got := f.reach(put(t, e.Client(), "a", "2")); len(got) != 1 {
		t.Errorf("got %s", text(got))
	}
}

func dialTest(t testing.TB, address string, opts ...grpc.DialOption) *clientv3.Client {
	t.Helper()
	quick := grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
		MinConnectTimeout: 5 * time.Second,
	})
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"http://" + address}, Logger: zap.NewNop(), DialOptions: append(opts, quick),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cli.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close the client: %v", err)
		}
	})
	return cli
}

// dialPaging connects as to a server that has no RangeStream.
func dialPaging(t testing.TB, address string) *clientv3.Client {
	return dialTest(t, address, grpc.WithChainStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			if method == "/etcdserverpb.KV/RangeStream" {
				return nil, status.Error(codes.Unimplemented, "unknown method RangeStream")
			}
			return streamer(ctx, desc, cc, method, opts...)
		}))
}
