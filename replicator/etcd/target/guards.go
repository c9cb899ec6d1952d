package target

import (
	"bytes"
	"fmt"
	"math"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/syncer-io/syncer/replicator/change"
)

// Dirty says that somebody else wrote one of the keys of a transaction above the
// revision that Tx.Newest gave for it. Nothing was written.
type Dirty struct {
	Revision int64 // of the target; the write is at or below it
}

func (e *Dirty) Error() string {
	return fmt.Sprintf("a key was written by somebody else, at or before revision %d", e.Revision)
}

// Guardable is how many changes a transaction can have that guards its keys one
// by one. One with more guards the ranges between them, and pays with a read of
// all keys in these at the etcd.
func (t *Target) Guardable() int {
	if t.single != nil {
		return math.MaxInt
	}
	return t.limits.MaxOps/2 - 1
}

// Together is how many bytes of changes a commit has at best while a channel is
// followed. etcd keeps its last 5,000 requests in memory, so large ones cost a
// small edge hundreds of MiB.
func (t *Target) Together() int { return 128 << 10 }

// keyGuards are compares that hold as long as nobody else wrote the keys. The
// changes are sorted by key.
func (t *Target) keyGuards(changes []change.Change, newest func(key []byte) int64) []*pb.Compare {
	if newest == nil {
		return nil
	}
	if len(changes) > t.Guardable() {
		return t.rangeGuards(changes, newest)
	}
	guards := make([]*pb.Compare, len(changes))
	for i, c := range changes {
		guards[i] = notAbove(c.Key, nil, newest(c.Key))
	}
	return guards
}

// rangeGuards are few guards for many keys: each holds for neighbours. A write
// between two of them fails it, too, which costs another try and nothing else.
func (t *Target) rangeGuards(changes []change.Change, newest func(key []byte) int64) []*pb.Compare {
	n := t.Guardable()
	guards := make([]*pb.Compare, 0, n)
	for i := range n {
		part := changes[i*len(changes)/n : (i+1)*len(changes)/n]
		bound := newest(part[0].Key)
		for _, c := range part {
			bound = max(bound, newest(c.Key))
		}
		guards = append(guards, notAbove(part[0].Key, after(part[len(part)-1].Key), bound))
	}
	return guards
}

// notAbove holds when nothing in [key, end), or the key alone without an end,
// was written above a revision.
func notAbove(key, end []byte, revision int64) *pb.Compare {
	return &pb.Compare{
		Key: bytes.Clone(key), RangeEnd: end, Target: pb.Compare_MOD, Result: pb.Compare_LESS,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: revision + 1},
	}
}
