package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Limits are what one transaction may hold.
type Limits struct {
	// MaxOps is the number of operations on one nesting path: the widths of
	// a transaction, of one inside it, and so on, together.
	MaxOps int
	// MaxBytes is the size of the encoded request.
	MaxBytes int
}

// usualOps is etcd's default. mostOps is the highest limit that is of use,
// since nesting multiplies it, and leastOps the lowest.
const (
	leastOps = 8
	usualOps = 128
	mostOps  = 4096
)

// byteSteps are the sizes that are tried; usualBytes is etcd's default.
var byteSteps = [...]int{256 << 10, 512 << 10, 1 << 20, usualBytes, 2 << 20, 3 << 20, 4 << 20, 8 << 20, 10 << 20}

const (
	usualBytes = 3 << 19
	usualStep  = 3
)

// errKine is what kine says to a transaction that is not one of the few forms
// which it knows.
const errKine = "unsupported operations in txn"

// Probe finds out again what the etcd accepts: it may have been restarted with
// other limits. Nothing else may run meanwhile.
func (t *Target) Probe(ctx context.Context) error {
	if t.single != nil {
		return nil // its limits are known
	}
	l, err := t.probe(ctx)
	if err != nil {
		return fmt.Errorf("probe the limits of the target: %w", err)
	}
	t.limits = l
	return nil
}

// probe finds the limits with transactions that have no effect: those about
// operations only read, those about bytes have a compare that is never true.
func (t *Target) probe(ctx context.Context) (Limits, error) {
	ops, err := t.probeOps(ctx)
	if err != nil {
		return Limits{}, err
	}
	size, err := t.probeBytes(ctx)
	return Limits{MaxOps: ops, MaxBytes: size}, err
}

func (t *Target) probeOps(ctx context.Context) (int, error) {
	lo, hi := 1, usualOps // lo is accepted, hi is not
	ok, err := t.accepts(ctx, t.wideRequest(hi))
	if ok {
		lo, hi = usualOps, usualOps+1
		for ok, err = t.accepts(ctx, t.wideRequest(hi)); ok && lo < mostOps; ok, err = t.accepts(ctx, t.wideRequest(hi)) {
			lo, hi = hi, min(2*hi, mostOps)
		}
	}
	for err == nil && hi-lo > 1 {
		mid := (lo + hi) / 2
		if ok, err = t.accepts(ctx, t.wideRequest(mid)); ok {
			lo = mid
		} else {
			hi = mid
		}
	}
	if err == nil && lo < leastOps {
		err = fault.New(fault.Check, "raise --max-txn-ops to its default of 128",
			"etcd accepts only %d operations in a transaction", lo)
	}
	return lo, err
}

func (t *Target) probeBytes(ctx context.Context) (int, error) {
	ok, err := t.accepts(ctx, t.bigRequest(byteSteps[usualStep]))
	if err != nil {
		return 0, err
	}
	step := -1
	if ok {
		step = 1
	}
	best := usualBytes
	for i := usualStep + step; i >= 0 && i < len(byteSteps); i += step {
		again, err := t.accepts(ctx, t.bigRequest(byteSteps[i]))
		switch {
		case err != nil:
			return 0, err
		case again:
			best = byteSteps[i]
		}
		if again != ok {
			break
		}
	}
	if !ok && best == usualBytes {
		return 0, fault.New(fault.Check, "raise --max-request-bytes to its default of 1572864",
			"etcd accepts less than %d bytes in a transaction", byteSteps[0])
	}
	return best, nil
}

// accepts reports whether the etcd takes a request of this shape.
func (t *Target) accepts(ctx context.Context, req *pb.TxnRequest) (bool, error) {
	_, err := t.txn(ctx, req)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, rpctypes.ErrTooManyOps), tooLarge(err):
		return false, nil
	case strings.Contains(err.Error(), errKine):
		return false, fault.New(fault.Check, "start the importer again: it finds out what its target is when it starts",
			"the target is kine, and was an etcd: it has no transactions of several keys: %w", err)
	}
	return false, t.explain(err, t.key.String(), probeKey)
}

// tooLarge reports whether etcd, or gRPC before it, found a request too big.
func tooLarge(err error) bool {
	return errors.Is(err, rpctypes.ErrRequestTooLarge) ||
		status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max")
}

// wideRequest is a reading transaction of n operations.
func (t *Target) wideRequest(n int) *pb.TxnRequest {
	req := &pb.TxnRequest{Success: []*pb.RequestOp{t.getCursor()}}
	for range n {
		req.Compare = append(req.Compare, t.never())
	}
	return req
}

const probeKey = Prefix + "probe"

// bigRequest is a transaction of n bytes that never takes effect. It holds no
// put: etcd would count its value against the quota and might raise an alarm.
func (t *Target) bigRequest(n int) *pb.TxnRequest {
	req := &pb.TxnRequest{
		Compare: []*pb.Compare{t.never(), {
			Key: []byte(t.key.String()), Target: pb.Compare_VALUE, Result: pb.Compare_EQUAL,
		}},
		Success: []*pb.RequestOp{deleteOp([]byte(probeKey), nil)},
	}
	frame := proto.Size(req) + t.overhead() + 16
	req.Compare[1].TargetUnion = &pb.Compare_Value{Value: bytes.Repeat([]byte{'.'}, max(0, n-frame))}
	return req
}

// never is a compare that no key satisfies.
func (t *Target) never() *pb.Compare {
	return &pb.Compare{
		Key: []byte(t.key.String()), Target: pb.Compare_MOD, Result: pb.Compare_LESS,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: 0},
	}
}
