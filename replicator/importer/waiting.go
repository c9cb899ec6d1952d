package importer

import (
	"context"
	"fmt"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// editedWhileItWaits decides about an edit of a key of which the source's change
// waits: for an approval, or for the target to take it. What stays the edge's
// leaves that group; what does not is written over when the wait is over.
func (a *applier) editedWhileItWaits(ctx context.Context, k *parkedKey, e edit) error {
	k.Present, k.group.dirty = !e.Deleted, true
	if a.changedBack(k, e) {
		return nil
	}
	c := conflict.Case{Key: e.Key, Edge: conflict.Value{Present: !e.Deleted, Bytes: e.Value}}
	var err error
	if c.Base, c.BaseKnown, err = a.stoodBefore(ctx, e); err != nil || c.BaseKnown && equal(c.Edge, c.Base) {
		return err
	}
	if k.Put {
		c.Source = c.Base // for the decision: the value that waits is not here
	}
	rule := a.conflictRule(e.Key)
	d := conflict.Decide(rule, c)
	if k.Put && (d.Outcome == conflict.WriteMerged || rule.Policy == conflict.MergePolicy) {
		d.Outcome, d.Reason = conflict.Hold, "cannot be merged: what the source has is not here, it waits"
	}
	a.note(d, rule, c, e.Local, a.position, 0)
	if k.Put {
		a.notes[len(a.notes)-1].Source = ledger.Value{Unknown: true}
	}
	switch d.Outcome {
	case conflict.TakeSource: // it goes on waiting
	case conflict.KeepEdge:
		a.moveTo(whyKept(rule), d.Reason, k)
	default:
		a.moveTo(status.Conflict, d.Reason, k)
	}
	return nil
}

// writtenOver records an edit that a transaction of ours went over before it was
// seen: a delete, or one that no guard could see.
func (a *applier) writtenOver(ctx context.Context, e edit) error {
	c := conflict.Case{Key: e.Key, Edge: conflict.Value{Present: !e.Deleted, Bytes: e.Value}}
	var err error
	if c.Base, c.BaseKnown, err = a.stoodBefore(ctx, e); err != nil || c.BaseKnown && equal(c.Edge, c.Base) {
		return err
	}
	c.Source = c.Base
	d := conflict.Decide(conflict.Rule{Policy: conflict.SourceWins}, c)
	d.Reason = "the source changed it at the same time"
	a.note(d, a.conflictRule(e.Key), c, e.Local, a.position, 0)
	return nil
}

// onRecord sees to it that what the edge has of a key is on record, before it is
// written over. It gives the revision of the target that wrote it.
func (a *applier) onRecord(ctx context.Context, key []byte, source conflict.Value, known bool) (int64, error) {
	var value []byte
	var rev int64
	err := a.promptly(ctx, func() (err error) {
		value, rev, err = a.target.Get(ctx, key)
		return err
	})
	if err != nil {
		return 0, err
	}
	c := conflict.Case{Key: key, Edge: conflict.Value{Present: rev > 0, Bytes: value}, Base: source, BaseKnown: known, Source: source}
	last, found, err := a.im.ledger.Last(key)
	if err != nil {
		return 0, fmt.Errorf("look up what is on record of key %q: %w", key, err)
	}
	if equal(c.Edge, c.Source) || found && last.Edge.Same(ledger.Of(c.Edge)) {
		return rev, nil
	}
	d := conflict.Decide(conflict.Rule{Policy: conflict.SourceWins}, c)
	a.note(d, a.conflictRule(key), c, target.Local{Revision: rev}, a.position, 0)
	if !known {
		a.notes[len(a.notes)-1].Source = ledger.Value{Unknown: true}
	}
	return rev, a.keepNotes()
}
