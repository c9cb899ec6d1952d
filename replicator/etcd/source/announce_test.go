package source

import (
	"context"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// overtaken is a stream of which the first progress is handed over before the
// announcement of the watch and the events that it speaks of.
type overtaken struct {
	grpc.ClientStream
	announced func()
	next      []*pb.WatchResponse
	done      bool
}

func (s *overtaken) RecvMsg(m any) error {
	if !s.done {
		s.done = true
		if err := s.overtake(); err != nil {
			return err
		}
	}
	if len(s.next) == 0 {
		return s.ClientStream.RecvMsg(m)
	}
	proto.Merge(m.(proto.Message), s.next[0])
	s.next = s.next[1:]
	return nil
}

func (s *overtaken) overtake() error {
	var created, events *pb.WatchResponse
	for {
		resp := new(pb.WatchResponse)
		if err := s.ClientStream.RecvMsg(resp); err != nil {
			return err
		}
		switch {
		case resp.Created:
			created = resp
			s.announced()
		case len(resp.Events) > 0:
			events = resp
		case events != nil:
			s.next = []*pb.WatchResponse{resp, created, events}
			return nil
		}
	}
}

// A server holds events back until it has announced the watch, but not its
// progress, which speaks of them: nothing is taken for resolved that is not here.
func TestProgressBeforeTheWatchIsAnnouncedIsNotTaken(t *testing.T) {
	e := newEtcd(t)
	announced := make(chan struct{})
	cli := dialTest(t, e.Address(), grpc.WithChainStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			st, err := streamer(ctx, desc, cc, method, opts...)
			return &overtaken{ClientStream: st, announced: func() { close(announced) }}, err
		}))
	f := startFollowing(t, newTestSource(cli, Options{}, "a"), put(t, e.Client(), "a", "old")+1, nil)
	<-announced
	rev := put(t, e.Client(), "a", "new")
	if got := f.reach(rev); len(got) != 1 || got[0].Revision != rev {
		t.Errorf("everything up to revision %d is said to be here, and what came is\n%s", rev, text(got))
	}
	rev = put(t, e.Client(), "a", "newer")
	if got := f.reach(rev); len(got) != 2 {
		t.Errorf("got\n%s", text(got))
	}
}
