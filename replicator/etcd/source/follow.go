package source

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// followed is how a stream ended. Everything up to resolved was delivered.
// final means that another stream cannot help.
type followed struct {
	resolved int64
	err      error
	final    bool
}

// request says how a stream is opened.
type request struct {
	from    int64
	silence time.Duration
	// fragments lets the server divide a response over messages. The server's
	// work grows with the square of the events in a fragment, to some ten
	// seconds of one processor for 2 MiB of events of 100 bytes. So it is asked
	// for only after a response was too large for one message, which large
	// values make, until the watch has caught up; and a stream that stays
	// silent over it is given up for a comparison.
	fragments bool
}

// leastMessage is how large a message may be in any case. The values of a
// server with default limits fit.
const leastMessage = 4 << 20

// stream is one open watch stream. Only the asker sends after the first
// request, only the reader receives.
type stream struct {
	pb.Watch_WatchClient
	heard atomic.Int64 // when the server last said something new, in unix nanoseconds
}

// follow opens one stream and delivers until it ends. It returns after its
// goroutines have ended and sink has what they put into the queue.
func (s *Source) follow(ctx context.Context, req request, sink func(Batch) error) followed {
	streamCtx, end := context.WithCancelCause(ctx)
	q := newQueue(s.opts.MaxBytes, req.from-1)
	var owned sync.WaitGroup
	defer owned.Wait()
	defer end(nil)
	st, err := s.open(streamCtx, req)
	if err != nil {
		return s.ended(ctx, q, req, err)
	}
	owned.Go(func() {
		defer q.close()
		end(s.receive(streamCtx, st, q, req))
	})
	owned.Go(func() {
		if err := s.ask(streamCtx, st, q, req.silence); err != nil {
			end(err)
		}
	})
	if err := deliver(ctx, q, sink); err != nil {
		return followed{resolved: q.end(), err: err, final: true}
	}
	return s.ended(ctx, q, req, context.Cause(streamCtx))
}

// deliver hands the queue to sink until it is closed and empty.
func deliver(ctx context.Context, q *queue, sink func(Batch) error) error {
	for {
		b, size, ok := q.take(ctx.Done())
		if !ok {
			return nil
		}
		if err := sink(b); err != nil {
			return err
		}
		q.release(size)
	}
}

// ended says what the end of a stream means for Watch.
func (s *Source) ended(ctx context.Context, q *queue, req request, err error) followed {
	f := followed{resolved: q.end(), err: err}
	switch {
	case ctx.Err() != nil:
		f.err, f.final = context.Cause(ctx), true
	case isControl(err):
		f.final = true
	case !req.fragments && tooLarge(err):
		f.err = errLarge
	case !errors.Is(err, errFull) && !errors.Is(err, errSilent) && !errors.Is(err, errCaughtUp) && !errors.Is(err, errBegunAnew):
		f.final = !transient(err)
		f.err = s.explain(err, fmt.Sprintf("watching from revision %d", f.resolved+1), s.sel.covering())
	}
	return f
}

// isControl reports whether err is one of the results that a caller of Watch
// acts upon.
func isControl(err error) bool {
	var compacted *Compacted
	var behind *Behind
	var back *WentBack
	return errors.As(err, &compacted) || errors.As(err, &behind) || errors.As(err, &back)
}

// open starts the stream. Without a leader the server ends it, rather than
// keeping it on a member that was cut off.
func (s *Source) open(ctx context.Context, req request) (*stream, error) {
	key, end, _ := bounds(s.sel.covering()) // not empty: Watch has asked for the head
	limit := max(s.opts.MaxBytes, leastMessage)
	if req.fragments {
		limit = math.MaxInt32 // a single event is not divided, whatever its size
	}
	wc, err := pb.NewWatchClient(s.cli.ActiveConnection()).
		Watch(clientv3.WithRequireLeader(ctx), grpc.MaxCallRecvMsgSize(limit))
	if err != nil {
		return nil, classify(ctx, err)
	}
	err = wc.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{
			Key: []byte(key), RangeEnd: []byte(end), StartRevision: req.from, ProgressNotify: true, Fragment: req.fragments,
		},
	}})
	if err != nil {
		_, err = wc.Recv() // Send only says that the stream broke, Recv says why
		return nil, classify(ctx, err)
	}
	st := &stream{Watch_WatchClient: wc}
	st.heard.Store(time.Now().UnixNano())
	return st, nil
}

// receive reads the stream into the queue until one of them ends. It never
// waits for the sink: a watch that is read slowly holds memory at the source.
func (s *Source) receive(ctx context.Context, st *stream, q *queue, req request) error {
	a := &assembler{sel: s.sel, queue: q, resolved: req.from - 1}
	announced, told := false, int64(0)
	for {
		resp, err := st.Recv()
		if err != nil {
			return classify(ctx, err)
		}
		// A member that stands still and has a leader tells the same progress for ever.
		if rev := resp.Header.GetRevision(); len(resp.Events) > 0 || rev > told {
			told = rev
			st.heard.Store(time.Now().UnixNano())
		}
		switch {
		case resp.CompactRevision != 0 && resp.CompactRevision <= a.resolved+1:
			return errBegunAnew
		case resp.CompactRevision != 0:
			return &Compacted{Revision: a.resolved + 1, CompactRevision: resp.CompactRevision}
		case resp.Canceled:
			return reason(resp.CancelReason)
		case resp.Created:
			announced = true
			continue
		case !announced && len(resp.Events) == 0:
			continue // the server holds events back until then, but not its progress: it may be ahead of them
		}
		if err := a.add(resp); err != nil {
			return err
		}
		if req.fragments && len(resp.Events) == 0 {
			return errCaughtUp // the server tells its progress only then
		}
	}
}
