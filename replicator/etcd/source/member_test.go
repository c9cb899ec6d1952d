package source

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// alteredStream is a stream of which responses are changed on the way, or an
// error comes in the place of one.
type alteredStream struct {
	grpc.ClientStream
	alter func(*pb.WatchResponse) error
}

func (s *alteredStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	return s.alter(m.(*pb.WatchResponse))
}

// firstWatch is a client of which the first watch stream is altered.
func firstWatch(t *testing.T, address string, alter func(*pb.WatchResponse) error) *clientv3.Client {
	var opened atomic.Int64
	return dialTest(t, address, grpc.WithChainStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			st, err := streamer(ctx, desc, cc, method, opts...)
			if err == nil && method == "/etcdserverpb.Watch/Watch" && opened.Add(1) == 1 {
				st = &alteredStream{st, alter}
			}
			return st, err
		}))
}

// A member that stands still, and has a leader all the same, answers every question
// for progress with where it stands.
func TestWatchOfAMemberThatStandsStillIsOpenedElsewhere(t *testing.T) {
	e := newEtcd(t)
	from := put(t, e.Client(), "a", "0")
	stands := &pb.WatchResponse{Header: &pb.ResponseHeader{Revision: from}}
	cli := firstWatch(t, e.Address(), func(m *pb.WatchResponse) error {
		if !m.Created {
			proto.Reset(m)
			proto.Merge(m, stands)
		}
		return nil
	})
	f := startFollowing(t, newTestSource(cli, Options{Silence: 200 * time.Millisecond}, "a"), from+1, nil)
	last := put(t, e.Client(), "a", "1")
	if got := f.reach(last); len(got) != 1 {
		t.Errorf("got\n%s", text(got))
	}
}

// A member that takes in a snapshot begins its watches anew, from before what it has
// told by progress: what it has compacted there was delivered.
func TestWatchThatIsBegunAnewBehindItsProgress(t *testing.T) {
	e := newEtcd(t)
	var snapshot atomic.Int64
	cli := firstWatch(t, e.Address(), func(m *pb.WatchResponse) error {
		if rev := snapshot.Load(); rev > 0 {
			m.CompactRevision, m.Canceled = rev, true
		}
		return nil
	})
	f := startFollowing(t, newTestSource(cli, Options{}, "a"), put(t, e.Client(), "b", "0"), nil)
	rev := put(t, e.Client(), "b", "1")
	f.reach(rev)
	snapshot.Store(rev + 1)
	last := put(t, e.Client(), "a", "1")
	if got := f.reach(last); len(got) != 1 {
		t.Errorf("got\n%s", text(got))
	}
}

// A member that does not vote yet serves no watch; another one does.
func TestLearnerIsNotTheEndOfAWatch(t *testing.T) {
	e := newEtcd(t)
	from := put(t, e.Client(), "a", "0")
	cli := firstWatch(t, e.Address(), func(*pb.WatchResponse) error { return rpctypes.ErrGRPCNotSupportedForLearner })
	f := startFollowing(t, newTestSource(cli, Options{}, "a"), from, nil)
	if got := f.reach(from); len(got) != 1 {
		t.Errorf("got\n%s", text(got))
	}
}

// A member that caught up by a snapshot names an older term until the next entry.
func TestOldTermOfOneMemberIsNoOtherHistory(t *testing.T) {
	e := newEtcd(t)
	for range 3 { // each start is a term
		if err := e.Restart(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	proxy := testbed.NewProxy(t, e.Address())
	var old, named atomic.Int64 // answers with an old term, still to come and given
	cli := dialTest(t, proxy.Address(), grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoker(ctx, method, req, reply, cc, opts...)
			if r, ok := reply.(*pb.TxnResponse); ok && err == nil && old.Add(-1) >= 0 {
				r.Header.RaftTerm--
				named.Add(1)
			}
			return err
		}))
	f := startFollowing(t, newTestSource(cli, Options{}, "a"), 1, nil)
	f.reach(put(t, e.Client(), "a", "1"))
	old.Store(3)
	proxy.Cut()
	last := put(t, e.Client(), "a", "2")
	if got := f.reach(last); len(got) != 2 || named.Load() != 3 {
		t.Errorf("after %d answers with an old term:\n%s", named.Load(), text(got))
	}
}
