package importer

import (
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
)

// cleanUp deletes what an older policy selected and this one does not.
func (a *applier) cleanUp(ctx context.Context) error {
	left := subtract(a.cursor.Holds, a.ranges)
	if len(left) == 0 {
		return nil
	}
	var keys [][]byte
	err := a.patiently(ctx, func() error {
		keys = nil
		_, err := a.target.Scan(ctx, left, func(kvs []change.KV) error {
			for _, kv := range kvs {
				if !a.parked.has(kv.Key) {
					keys = append(keys, append([]byte(nil), kv.Key...))
				}
			}
			return nil
		})
		return err
	})
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
	cursor := a.standing()
	cursor.Holds = a.ranges
	return a.commit(ctx, nil, cursor)
}

// subtract is what is left of ranges without others.
func subtract(from, others []change.Range) []change.Range {
	out := from
	for _, o := range others {
		var next []change.Range
		for _, r := range out {
			next = append(next, r.Subtract(o)...)
		}
		out = next
	}
	return out
}

// union is every range that is in one or the other list.
func union(a, b []change.Range) []change.Range {
	return append(subtract(a, b), b...)
}
