package target

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/syncer-io/syncer/replicator/change"
)

// denied finds the first key that we may not write, since etcd does not say
// which. It asks with transactions that never take effect; the answer is only
// for the message, so that any other failure just ends the search.
func (t *Target) denied(ctx context.Context, changes []change.Change) string {
	width := max(t.limits.MaxOps/2, 1)
	for start := 0; start < len(changes); start += width {
		part := changes[start:min(start+width, len(changes))]
		if no, _ := t.refuses(ctx, part); !no {
			continue
		}
		for len(part) > 1 {
			half := part[:len(part)/2]
			if no, _ := t.refuses(ctx, half); no {
				part = half
			} else {
				part = part[len(part)/2:]
			}
		}
		return string(part[0].Key)
	}
	return t.key.String()
}

// refuses reports whether the user may not write one of the keys. It is asked
// with deletes, which need the permission that puts need.
func (t *Target) refuses(ctx context.Context, changes []change.Change) (bool, error) {
	ops := make([]*pb.RequestOp, len(changes))
	for i, c := range changes {
		ops[i] = deleteOp(c.Key, nil)
	}
	_, err := t.txn(ctx, &pb.TxnRequest{Compare: []*pb.Compare{t.never()}, Success: ops})
	if errors.Is(err, rpctypes.ErrPermissionDenied) {
		return true, nil
	}
	return false, t.explain(err)
}
