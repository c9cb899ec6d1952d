package importer

import (
	"context"
	"errors"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// overcome deals with a changeset that the target did not take.
func (a *applier) overcome(ctx context.Context, s change.Changeset, cursor target.Cursor, cause error) error {
	parked, err := a.refuse(ctx, target.Fold([]change.Changeset{s}), s.Revision)
	var large *target.TooLarge
	switch {
	case err != nil:
		return err
	case parked:
		return a.commit(ctx, nil, cursor)
	case errors.As(cause, &large):
		return a.tear(ctx, s, true)
	default:
		return cause
	}
}

// tearGuarded applies one part of a revision that comes in parts. The guard
// counts the deletes of all parts, so what goes before it stops the rest is not
// more than it lets pass.
func (a *applier) tearGuarded(ctx context.Context, s change.Changeset) error {
	if err := a.barrier(ctx); err != nil { // as in guarded
		return err
	}
	if a.torn == nil {
		step, err := a.step(ctx, s.Revision)
		if err != nil {
			return err
		}
		a.torn = step
	}
	s, err := a.guarded(ctx, s, a.torn)
	if err != nil {
		return err
	}
	if s, err = a.screened(ctx, s); err != nil {
		return err
	}
	if s, err = a.reconciled(ctx, s); err != nil {
		return err
	}
	if !s.Partial {
		a.torn = nil
	}
	err = a.tear(ctx, s, !s.Partial)
	if refusal(err) {
		return a.overcome(ctx, s, a.after(s), err)
	}
	return err
}

// after is the cursor behind a changeset, or, within a revision, at it.
func (a *applier) after(s change.Changeset) target.Cursor {
	cursor := a.cursor
	if s.Partial {
		cursor.Torn = s.Revision
	} else {
		cursor.Revision, cursor.Torn = s.Revision, 0
	}
	a.stand(&cursor)
	return cursor
}

// tear applies a changeset that cannot be atomic in parts. The cursor says so
// until the last part is in place.
func (a *applier) tear(ctx context.Context, s change.Changeset, last bool) error {
	parts := a.target.Split(target.Fold([]change.Changeset{s}))
	if len(parts) == 0 {
		parts = [][]change.Change{nil}
	}
	for i, part := range parts {
		cursor := a.cursor
		cursor.Torn = s.Revision
		if last && i == len(parts)-1 {
			cursor.Revision, cursor.Torn = s.Revision, 0
			cursor.TornCount++
		}
		a.stand(&cursor)
		dirty, err := a.dirty(ctx, a.commit(ctx, part, cursor))
		if err == nil && dirty && a.meets(part) {
			err = fmt.Errorf("the edge changed a key of revision %d while it was applied in parts: what is left of it is taken up anew", s.Revision)
		} else if err == nil && dirty {
			err = a.commit(ctx, part, cursor) // it was put right
		}
		if err != nil {
			return err
		}
		if cursor.Torn != 0 {
			failpoint.Hit(failpoint.TornBetween)
		}
	}
	return nil
}
