package testbed

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams ends the open streams of a server when it stops. A graceful stop
// waits for them, and a watch never ends by itself: every restart would take
// the seven seconds after which etcd gives up waiting.
type streams struct {
	ctx context.Context
	end context.CancelFunc
}

func newStreams() *streams {
	ctx, cancel := context.WithCancel(context.Background())
	return &streams{ctx: ctx, end: cancel}
}

func (s *streams) option() grpc.ServerOption {
	return grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx, cancel := context.WithCancel(stream.Context())
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		err := handle(srv, endingStream{stream, ctx})
		if s.ctx.Err() != nil {
			// "Canceled" would end the client's watch for good; this one makes it
			// reconnect, as the end of a real server does.
			return status.Error(codes.Unavailable, "testbed: the server stops")
		}
		return err
	})
}

type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s endingStream) Context() context.Context { return s.ctx }
