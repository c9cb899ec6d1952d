package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Tx is what one transaction changes. Keys are unique within it. Without a
// cursor only data is written, under the same guard. A put of change.Released
// leaves its key alone from now on, until another change of it.
type Tx struct {
	Changes []change.Change
	Cursor  *Cursor
	// Newest is the revision of the target at which a key was written last, as
	// far as the caller knows: its own write, or that up to which it was told of
	// those of others. A key that was written above it fails the commit with
	// [*Dirty]. A delete is no such write: only Watch tells of it. nil guards
	// nothing.
	Newest func(key []byte) int64
}

// Commit applies the transaction at one revision of the target, which it
// returns; on return it is durable. Several commits without a cursor may run
// at once; one with a cursor runs alone and advances the guard.
//
// When no answer comes it finds out what happened, and sends the same again if
// nothing did, until ctx ends: then [ErrOutcomeUnknown]. Other errors mean that
// nothing was written: [*Fenced], [*Moved], [*Dirty], [*TooLarge], [ErrForbidden], and
// others of etcd, explained, for which dial.Retryable tells whether to try
// again. A commit without a cursor is simply repeated, so two that run under
// the same cursor must not write the same key, and its failure leaves open
// whether it took effect.
func (t *Target) Commit(ctx context.Context, tx Tx) (int64, error) {
	changes, err := t.ordered(tx.Changes)
	if err != nil {
		return 0, err
	}
	first := slices.ContainsFunc(changes, releases) && t.released.CompareAndSwap(false, true)
	guards := t.keyGuards(changes, tx.Newest)
	rev, err := t.commitData(ctx, t.withMarkers(changes), guards, tx.Cursor)
	if first && errors.Is(err, ErrForbidden) {
		err = t.withdrawn(ctx, err)
	}
	return rev, err
}

func (t *Target) commitData(ctx context.Context, changes []change.Change, guards []*pb.Compare, cursor *Cursor) (int64, error) {
	if cursor != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, rev, err := t.commitCursor(ctx, changes, guards, *cursor)
		return rev, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.commit(ctx, changes, guards, nil)
}

// ordered gives the changes sorted by key, and refuses what must not be
// written here.
func (t *Target) ordered(changes []change.Change) ([]change.Change, error) {
	if !slices.IsSortedFunc(changes, byKey) {
		changes = slices.Clone(changes)
		slices.SortFunc(changes, byKey)
	}
	for i, c := range changes {
		if i > 0 && bytes.Equal(c.Key, changes[i-1].Key) {
			return nil, fmt.Errorf("key %q is twice in one transaction", c.Key)
		}
		if c.Op != change.Put && c.Op != change.Delete {
			return nil, fmt.Errorf("key %q: unknown operation %d", c.Key, c.Op)
		}
		if !t.contains(c.Key) {
			return nil, fault.New(fault.Safety, "check the policy's mapping",
				"refusing to %s key %q, which is %w", c.Op, c.Key, ErrOutside)
		}
	}
	return changes, nil
}

func (t *Target) contains(key []byte) bool {
	if len(key) == 0 || bytes.HasPrefix(key, []byte(Prefix)) {
		return false
	}
	return len(t.ranges) == 0 || t.rangeOf(key) >= 0
}

// rangeOf is the index of the selected range that key lies in, or -1.
func (t *Target) rangeOf(key []byte) int {
	return slices.IndexFunc(t.ranges, func(r change.Range) bool { return r.Contains(key) })
}

// commitCursor commits the changes together with the cursor; t.mu is held for
// writing. It returns the cursor as stored.
func (t *Target) commitCursor(ctx context.Context, changes []change.Change, guards []*pb.Compare, c Cursor) (Cursor, int64, error) {
	c.Format, c.Source, c.Channel = CursorFormat, t.key.Source, t.key.Channel
	if c.Owner == "" {
		c.Owner = t.owner
	}
	c.Updated, c.Below = time.Now().UTC(), t.below
	if t.single != nil {
		c = t.carry(c)
		if err := t.announce(ctx, changes, c); err != nil {
			return Cursor{}, 0, err
		}
	}
	raw, err := t.encode(c, nil)
	if err != nil {
		return Cursor{}, 0, err
	}
	rev, err := t.commit(ctx, changes, guards, raw)
	t.moved(c, raw, rev, err)
	return c, rev, err
}

// encode makes of a cursor what is stored, unlike any other writing of it.
func (t *Target) encode(c Cursor, writing []byte) ([]byte, error) {
	t.writes++
	raw, err := record{Cursor: c, Session: t.session, Write: t.writes, Writing: writing}.encode()
	t.stored = len(raw)
	return raw, err
}

// moved notes how the writing of a cursor ended.
func (t *Target) moved(c Cursor, raw []byte, rev int64, err error) {
	if err == nil {
		t.guard.modRev = rev
		t.stands(c)
	} else if errors.Is(err, ErrOutcomeUnknown) {
		t.guard.pending = raw
	}
}

// maxTouched bounds how often local writes may spoil the listing that drawing
// deletes together needs.
const maxTouched = 10

func (t *Target) commit(ctx context.Context, changes []change.Change, guards []*pb.Compare, cursor []byte) (int64, error) {
	if !t.guard.loaded || t.guard.pending != nil {
		return 0, fmt.Errorf("commit to %s: %w", t.key, ErrNotLoaded)
	}
	if t.single != nil {
		return t.commitSingle(ctx, changes, guards, cursor)
	}
	for touched := 1; ; touched++ {
		rev, err := t.attemptCommit(ctx, changes, guards, cursor)
		if errors.Is(err, errTouched) && guards != nil {
			err = &Dirty{Revision: rev}
		}
		again := errors.Is(err, errTouched) || errors.Is(err, rpctypes.ErrCompacted)
		if again && touched < maxTouched && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("commit %d changes: %w", len(changes), err)
		}
		t.own.add(rev)
		return rev, nil
	}
}

// attemptCommit gives the revision of the commit, or with errTouched the one at
// which the guards did not hold.
func (t *Target) attemptCommit(ctx context.Context, changes []change.Change, guards []*pb.Compare, cursor []byte) (int64, error) {
	req, err := t.plan(ctx, changes, guards, cursor)
	if err != nil {
		return 0, t.explain(err)
	}
	rev, err := t.send(ctx, req, cursor)
	switch {
	case tooLarge(err):
		return 0, t.tooLarge(req, changes)
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return 0, t.explain(err, t.denied(ctx, changes))
	case overtaken(err), errors.Is(err, ErrOutcomeUnknown), errors.Is(err, errTouched):
		return rev, err
	}
	return rev, t.explain(err)
}

// plan makes the request, with deletes drawn together if it is too large
// otherwise.
func (t *Target) plan(ctx context.Context, changes []change.Change, guards []*pb.Compare, cursor []byte) (*pb.TxnRequest, error) {
	ops := opsOf(changes)
	req := t.request(ops, guards, cursor)
	if t.fits(req, ops) {
		return req, nil
	}
	ops, runs, err := t.collapse(ctx, changes)
	if err != nil {
		return nil, err
	}
	req = t.request(ops, append(runs, guards...), cursor)
	if !t.fits(req, ops) {
		return nil, t.tooLarge(req, changes)
	}
	return req, nil
}

func (t *Target) tooLarge(req *pb.TxnRequest, changes []change.Change) error {
	return tooLargeFor(t.size(req), t.limits.MaxBytes, len(changes))
}

func tooLargeFor(size, limit, ops int) error {
	return fault.New(fault.Check, "raise --max-request-bytes at this etcd", "%w", &TooLarge{Bytes: size, Limit: limit, Ops: ops})
}
