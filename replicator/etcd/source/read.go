package source

import (
	"context"
	"errors"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"github.com/syncer-io/syncer/replicator/change"
)

// Read is the complete content of r at one revision, which a linearizable read
// chose. All of it is in memory at once: r must be known to be small.
func (s *Source) Read(ctx context.Context, r change.Range) (items []Item, rev int64, err error) {
	err = s.retry(ctx, func() error {
		items = nil
		rev, err = s.stream(ctx, r, func(part []Item) error {
			items = append(items, part...)
			return nil
		})
		if unstreamable(err) || compacted(err) {
			items, rev, err = s.whole(ctx, r)
		}
		return err
	})
	if err != nil {
		return nil, 0, s.explain(err, "reading", r)
	}
	return items, rev, nil
}

// whole reads r with one request. Compaction cannot break it.
func (s *Source) whole(ctx context.Context, r change.Range, opts ...clientv3.OpOption) ([]Item, int64, error) {
	items, rev, _, err := s.page(ctx, r, opts...)
	return items, rev, err
}

// page reads r from its beginning with one request; more says that the limit
// in opts left something out.
func (s *Source) page(ctx context.Context, r change.Range, opts ...clientv3.OpOption) (items []Item, rev int64, more bool, err error) {
	key, end, ok := bounds(r)
	if !ok {
		h, err := s.head(ctx)
		return nil, h.revision, false, err
	}
	resp, err := s.cli.Get(ctx, key, append(opts, clientv3.WithRange(end))...)
	if err != nil {
		return nil, 0, false, err
	}
	return itemsOf(resp.Kvs), resp.Header.Revision, resp.More, nil
}

// stream reads r with a RangeStream: in parts, all at the revision rev. An
// error leaves unknown at which revision the parts before it were read.
func (s *Source) stream(ctx context.Context, r change.Range, fn func([]Item) error, opts ...clientv3.OpOption) (rev int64, err error) {
	key, end, ok := bounds(r)
	if !ok {
		h, err := s.head(ctx)
		return h.revision, err
	}
	ctx, cancel := context.WithCancel(ctx)
	parts, err := s.cli.GetStream(ctx, key, append(opts, clientv3.WithRange(end))...)
	if err != nil {
		cancel()
		return 0, err
	}
	// The sender does not look at ctx while it hands over a part, so the
	// channel is emptied until the sender has closed it.
	defer func() {
		cancel()
		for range parts {
		}
	}()
	var last *pb.ResponseHeader
	for part := range parts {
		if err := part.Err(); err != nil {
			return 0, classify(ctx, err)
		}
		if err := fn(itemsOf(part.Kvs)); err != nil {
			return 0, &fnError{err}
		}
		last = part.Header
	}
	if last == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return last.Revision, nil
}

// fnError keeps what a caller's function returned apart from what the source
// returned: it ends the read, whatever it looks like.
type fnError struct{ error }

func (e *fnError) Unwrap() error { return e.error }

// unstreamable reports whether the server has no RangeStream. That can change
// from call to call while a cluster is upgraded or downgraded.
func unstreamable(err error) bool { return err != nil && codeOf(err) == codes.Unimplemented }

func compacted(err error) bool { return errors.Is(err, rpctypes.ErrCompacted) }

func itemsOf(kvs []*mvccpb.KeyValue) []Item {
	items := make([]Item, len(kvs))
	for i, kv := range kvs {
		items[i] = Item{Key: kv.Key, Value: kv.Value, ModRevision: kv.ModRevision}
	}
	return items
}
