package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/syncer-io/syncer/replicator/change"
)

// Scan reads the content of the ranges, one after the other and each in key
// order, all as of the one revision that it returns. fn gets it in pieces of
// about a megabyte, which it may keep; its error ends the scan. A
// released key holds change.Released, also when it does not exist. Nothing
// outside the ranges is read. rpctypes.ErrCompacted in the error means that
// the scan took longer than the etcd keeps history: start again.
func (t *Target) Scan(ctx context.Context, ranges []change.Range, fn func([]change.KV) error) (int64, error) {
	rev, released, err := t.anyReleased(ctx)
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	scan := t.scanRange
	if released {
		scan = t.scanReleased
	}
	for _, r := range t.readable(ranges) {
		if err := scan(ctx, r, rev, fn); err != nil {
			return 0, fmt.Errorf("scan %s at revision %d: %w", r, rev, err)
		}
	}
	return rev, nil
}

// scanRange streams where the server can. It is asked each time: a cluster
// that is being downgraded loses the ability in mid-life.
func (t *Target) scanRange(ctx context.Context, r change.Range, rev int64, fn func([]change.KV) error) error {
	if r.Empty() {
		return nil
	}
	if len(r.Lo) == 0 {
		r.Lo = []byte{0} // the first possible key: etcd has no empty one
	}
	next, err := t.scanStream(ctx, r, rev, fn)
	if status.Code(err) == codes.Unimplemented {
		r.Lo = next
		err = t.scanPages(ctx, r, rev, fn)
	}
	var own *callbackError
	if errors.As(err, &own) {
		return own.err
	}
	return t.explain(err, r.String())
}

// callbackError tells an error of the reader from one of the etcd.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

func deliver(kvs []*mvccpb.KeyValue, fn func([]change.KV) error) error {
	if len(kvs) == 0 {
		return nil
	}
	out := make([]change.KV, len(kvs))
	for i, kv := range kvs {
		out[i] = change.KV{Key: kv.Key, Value: kv.Value}
	}
	if err := fn(out); err != nil {
		return &callbackError{err}
	}
	return nil
}

// scanStream reads the range in one call. It returns where it got to. It takes
// the parts from the call itself: the client's GetStream reads two of them
// ahead, each of up to 3 MiB.
func (t *Target) scanStream(ctx context.Context, r change.Range, rev int64, fn func([]change.KV) error) (next []byte, err error) {
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	next = r.Lo
	op := clientv3.OpGet(string(r.Lo), end(r), clientv3.WithRev(rev))
	req := &etcdserverpb.RangeRequest{Key: op.KeyBytes(), RangeEnd: op.RangeBytes(), Revision: op.Rev()}
	stream, err := clientv3.RetryKVClient(t.cli).RangeStream(call, req, grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		return next, clientv3.ContextError(ctx, err)
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return next, clientv3.ContextError(ctx, err)
		}
		kvs := part.GetRangeResponse().GetKvs()
		if err := deliver(kvs, fn); err != nil {
			return next, err
		}
		if n := len(kvs); n > 0 {
			next = after(kvs[n-1].Key)
		}
	}
}

// Pages aim at pageBytes: etcd limits a page only by its number of keys.
const (
	pageBytes = 1 << 20
	firstPage = 16
	mostPage  = 10_000
)

func (t *Target) scanPages(ctx context.Context, r change.Range, rev int64, fn func([]change.KV) error) error {
	limit := firstPage
	for {
		resp, err := t.page(ctx, r, rev, limit)
		if err != nil {
			return err
		}
		if err := deliver(resp.Kvs, fn); err != nil {
			return err
		}
		if !resp.More {
			return nil
		}
		size := 0
		for _, kv := range resp.Kvs {
			size += len(kv.Key) + len(kv.Value)
		}
		r.Lo = after(resp.Kvs[len(resp.Kvs)-1].Key)
		// At most eight times as many: the next values may be larger.
		limit = min(max(pageBytes*len(resp.Kvs)/max(size, 1), 1), 8*limit, mostPage)
	}
}

func (t *Target) page(ctx context.Context, r change.Range, rev int64, limit int) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	return t.cli.Get(ctx, string(r.Lo), end(r), clientv3.WithRev(rev), clientv3.WithLimit(int64(limit)))
}

func end(r change.Range) clientv3.OpOption {
	if len(r.Hi) == 0 {
		return clientv3.WithFromKey()
	}
	return clientv3.WithRange(string(r.Hi))
}
