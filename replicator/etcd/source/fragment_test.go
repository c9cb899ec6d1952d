package source

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// requests records whether the watch streams of a client ask for fragments.
type requests struct {
	mu        sync.Mutex
	fragments []bool
	opened    chan struct{} // gets one for every stream; never closed
}

func (r *requests) intercept(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	st, err := streamer(ctx, desc, cc, method, opts...)
	return &recordedStream{st, r}, err
}

type recordedStream struct {
	grpc.ClientStream
	to *requests
}

func (s *recordedStream) SendMsg(m any) error {
	if create := m.(*pb.WatchRequest).GetCreateRequest(); create != nil {
		s.to.mu.Lock()
		s.to.fragments = append(s.to.fragments, create.Fragment)
		s.to.mu.Unlock()
		s.to.opened <- struct{}{}
	}
	return s.ClientStream.SendMsg(m)
}

// A response that is too large for one message comes in fragments, and the
// stream after that does without.
func TestLargeResponsesComeInFragments(t *testing.T) {
	e := newEtcd(t)
	const n = 200
	first, last := int64(0), int64(0)
	for i := range n {
		last = put(t, e.Client(), fmt.Sprintf("a/%d", i), strings.Repeat("v", 64<<10))
		if i == 0 {
			first = last
		}
	}
	asked := &requests{opened: make(chan struct{}, 100)}
	s := newTestSource(dialTest(t, e.Address(), grpc.WithChainStreamInterceptor(asked.intercept)), Options{MaxBytes: leastMessage}, "a/")
	f := startFollowing(t, s, first, nil)
	if got := f.reach(last); len(got) != n {
		t.Fatalf("got %d revisions, want %d", len(got), n)
	}
	f.reach(put(t, e.Client(), "a/", "small"))
	for {
		<-asked.opened
		asked.mu.Lock()
		opened := fmt.Sprint(asked.fragments)
		asked.mu.Unlock()
		if strings.HasPrefix(opened, "[false true") && strings.HasSuffix(opened, "false]") {
			return
		}
	}
}
