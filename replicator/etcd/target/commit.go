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
}

// Commit applies the transaction at one revision of the target, which it
// returns; on return it is durable. Several commits without a cursor may run
// at once; one with a cursor runs alone and advances the guard.
//
// When no answer comes it finds out what happened, and sends the same again if
// nothing did, until ctx ends: then [ErrOutcomeUnknown]. Other errors mean that
// nothing was written: [*Fenced], [*Moved], [*TooLarge], [ErrForbidden], and
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
	rev, err := t.commitData(ctx, t.withMarkers(changes), tx)
	if first && errors.Is(err, ErrForbidden) {
		err = t.withdrawn(ctx, err)
	}
	return rev, err
}

func (t *Target) commitData(ctx context.Context, changes []change.Change, tx Tx) (int64, error) {
	if tx.Cursor != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, rev, err := t.commitCursor(ctx, changes, *tx.Cursor)
		return rev, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.commit(ctx, changes, nil)
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
func (t *Target) commitCursor(ctx context.Context, changes []change.Change, c Cursor) (Cursor, int64, error) {
	c.Format, c.Source, c.Channel = CursorFormat, t.key.Source, t.key.Channel
	if c.Owner == "" {
		c.Owner = t.owner
	}
	c.Updated = time.Now().UTC()
	t.writes++
	raw, err := record{Cursor: c, Session: t.session, Write: t.writes}.encode()
	if err != nil {
		return Cursor{}, 0, err
	}
	t.stored = len(raw)
	rev, err := t.commit(ctx, changes, raw)
	if err == nil {
		t.guard.modRev = rev
	} else if errors.Is(err, ErrOutcomeUnknown) {
		t.guard.pending = raw
	}
	return c, rev, err
}

// maxTouched bounds how often local writes may spoil the listing that drawing
// deletes together needs.
const maxTouched = 10

func (t *Target) commit(ctx context.Context, changes []change.Change, cursor []byte) (int64, error) {
	if !t.guard.loaded || t.guard.pending != nil {
		return 0, fmt.Errorf("commit to %s: %w", t.key, ErrNotLoaded)
	}
	for touched := 1; ; touched++ {
		rev, err := t.attemptCommit(ctx, changes, cursor)
		again := errors.Is(err, errTouched) || errors.Is(err, rpctypes.ErrCompacted)
		if again && touched < maxTouched && ctx.Err() == nil {
			continue
		}
		if err != nil {
			err = fmt.Errorf("commit %d changes: %w", len(changes), err)
		}
		return rev, err
	}
}

func (t *Target) attemptCommit(ctx context.Context, changes []change.Change, cursor []byte) (int64, error) {
	req, err := t.plan(ctx, changes, cursor)
	if err != nil {
		return 0, t.explain(err)
	}
	rev, err := t.send(ctx, req, cursor)
	switch {
	case tooLarge(err):
		return 0, t.tooLarge(req, changes)
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return 0, t.explain(err, t.denied(ctx, changes))
	case overtaken(err), errors.Is(err, ErrOutcomeUnknown):
		return 0, err
	}
	return rev, t.explain(err)
}

// plan makes the request, with deletes drawn together if it is too large
// otherwise.
func (t *Target) plan(ctx context.Context, changes []change.Change, cursor []byte) (*pb.TxnRequest, error) {
	ops := opsOf(changes)
	req := t.request(ops, nil, cursor)
	if t.fits(req, ops) {
		return req, nil
	}
	ops, guards, err := t.collapse(ctx, changes)
	if err != nil {
		return nil, err
	}
	req = t.request(ops, guards, cursor)
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
