package importer

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
)

// tidy brings the target to the policy that the edge is attached for, once: keys
// go that it does not select, and those that it does not leave to the edge any more
// are compared. A paused edge does it when it is resumed.
func (a *applier) tidy(ctx context.Context) error {
	if a.tidied || a.cursor.Paused {
		return nil
	}
	if err := a.cleanUp(ctx); err != nil {
		return err
	}
	if err := a.revise(ctx); err != nil {
		return err
	}
	a.tidied = true
	return nil
}

// cleanUp deletes what an older policy selected and this one does not, unless
// its rule left orphans. Keys that were released before are the edge's own.
func (a *applier) cleanUp(ctx context.Context) error {
	left := change.Without(a.cursor.Holds, a.ranges)
	if len(left) == 0 {
		return nil
	}
	keys, released, err := a.leftOver(ctx, left)
	if err != nil {
		return fmt.Errorf("read what an older policy selected: %w", err)
	}
	step, err := a.step(ctx, a.position)
	if err != nil {
		return err
	}
	if _, err := a.remove(ctx, keys, step); err != nil {
		return err
	}
	if waits := a.parked.overlay(left); len(waits.keys) > 0 {
		return nil // the ranges stay ours until they are gone
	}
	if released {
		if err := a.disown(ctx, left); err != nil {
			return err
		}
	}
	cursor := a.standing()
	cursor.Holds, cursor.Keeps = a.ranges, a.orphans()
	return a.commit(ctx, nil, cursor)
}

// leftOver are the keys of the ranges that go, and whether any is released.
func (a *applier) leftOver(ctx context.Context, left []change.Range) (keys [][]byte, released bool, err error) {
	stays := func(key []byte) bool {
		return a.parked.has(key) || slices.ContainsFunc(a.cursor.Keeps, func(r change.Range) bool { return r.Contains(key) })
	}
	err = a.patiently(ctx, func() error {
		keys, released = nil, false
		_, err := a.target.Scan(ctx, left, func(kvs []change.KV) error {
			for _, kv := range kvs {
				switch {
				case change.IsReleased(kv.Value):
					released = true
				case !stays(kv.Key):
					keys = append(keys, bytes.Clone(kv.Key))
				}
			}
			return nil
		})
		return err
	})
	return keys, released, err
}

// disown forgets which keys of the ranges are released. The cursor says before
// that they stay: without their markers nothing else would, after a crash.
func (a *applier) disown(ctx context.Context, left []change.Range) error {
	cursor := a.standing()
	cursor.Keeps = union(cursor.Keeps, left)
	if err := a.commit(ctx, nil, cursor); err != nil {
		return err
	}
	return a.promptly(ctx, func() error { return a.target.Disown(ctx, left) })
}

// orphans are the keys that stay when the policy selects them no more.
func (a *applier) orphans() []change.Range {
	var out []change.Range
	for _, r := range a.rules {
		if r.OnLeave == filter.LeaveOrphan {
			out = append(out, r.Delivered...)
		}
	}
	return out
}

// union is every range that is in one or the other list.
func union(a, b []change.Range) []change.Range {
	return append(change.Without(a, b), b...)
}
