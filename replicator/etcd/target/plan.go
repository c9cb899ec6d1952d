package target

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/syncer-io/syncer/replicator/change"
)

// overhead is what etcd adds to a request before it measures it: a header
// with ids and the user.
func (t *Target) overhead() int { return 64 + len(t.cli.Username) }

// request is the guarded transaction: the cursor is still ours, and nothing
// happened in the guarded ranges. When the guard is lost it reads the cursor.
func (t *Target) request(ops []*pb.RequestOp, guards []*pb.Compare, cursor []byte) *pb.TxnRequest {
	req := &pb.TxnRequest{
		Compare: append([]*pb.Compare{t.cursorGuard()}, guards...),
		Failure: []*pb.RequestOp{t.getCursor()},
	}
	if cursor != nil {
		req.Success = append(req.Success, putOp([]byte(t.key.String()), cursor))
	} else {
		req.Success = append(req.Success, putOp([]byte(t.markKey()), []byte(t.session)))
	}
	req.Success = append(req.Success, nest(ops, t.room(req))...)
	return req
}

// room is how many operations the nesting paths of a request may have: etcd
// counts a transaction as its compares or its operations, whichever are more.
func (t *Target) room(req *pb.TxnRequest) int { return t.limits.MaxOps - len(req.Compare) }

// nest arranges ops so that no nesting path holds more than limit of them.
// All are applied at one revision, whatever the depth. etcd counts a path as
// the width of the transaction plus that of each one inside it.
func nest(ops []*pb.RequestOp, limit int) []*pb.RequestOp {
	width, _ := widthFor(len(ops), limit)
	if width == 0 {
		return ops
	}
	out := make([]*pb.RequestOp, 0, width)
	for i := range width {
		part := ops[i*len(ops)/width : (i+1)*len(ops)/width]
		out = append(out, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{
			RequestTxn: &pb.TxnRequest{Success: nest(part, limit-width)},
		}})
	}
	return out
}

// widthFor is how many nested transactions n operations need side by side in
// the fewest levels; 0 is none. It is not ok when no nesting takes that many.
func widthFor(n, limit int) (width int, ok bool) {
	if n <= limit {
		return 0, true
	}
	for levels := 1; levels < limit; levels++ {
		width = limit / (levels + 1)
		if capacity(width, limit, levels) >= n {
			return width, true
		}
	}
	return 0, false
}

// capacity is how many operations fit when levels of width transactions each
// stand above the last one.
func capacity(width, limit, levels int) int {
	n := limit - levels*width
	for range levels {
		n *= width
	}
	return n
}

func (t *Target) cursorGuard() *pb.Compare {
	return &pb.Compare{
		Key: []byte(t.key.String()), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: t.guard.modRev},
	}
}

func (t *Target) getCursor() *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
		RequestRange: &pb.RangeRequest{Key: []byte(t.key.String())},
	}}
}

func putOp(key, value []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: value}}}
}

// deleteOp deletes the key, or [key, end) when end is not nil.
func deleteOp(key, end []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &pb.DeleteRangeRequest{Key: key, RangeEnd: end},
	}}
}

func opOf(c change.Change) *pb.RequestOp {
	if c.Op == change.Delete {
		return deleteOp(c.Key, nil)
	}
	return putOp(c.Key, c.Value)
}

func opsOf(changes []change.Change) []*pb.RequestOp {
	ops := make([]*pb.RequestOp, len(changes))
	for i, c := range changes {
		ops[i] = opOf(c)
	}
	return ops
}

// opFrame bounds what the encoding adds to the key and value of one operation.
const opFrame = 24

// Size estimates, from above, the bytes that a change takes in a transaction.
func Size(c change.Change) int { return c.Size() + opFrame }

// fits reports whether the etcd takes a request made of ops.
func (t *Target) fits(req *pb.TxnRequest, ops []*pb.RequestOp) bool {
	_, ok := widthFor(len(ops), t.room(req))
	return ok && t.size(req) <= t.limits.MaxBytes
}

// size is the number of bytes that etcd measures.
func (t *Target) size(req *pb.TxnRequest) int { return proto.Size(req) + t.overhead() }
