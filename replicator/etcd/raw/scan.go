package raw

import (
	"bytes"
	"context"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Scan reads the ranges as [target.Target.Scan] does, every object of ours as it
// is delivered: its intent, whatever the API server and the controllers of the
// edge made of it since.
func (t *Target) Scan(ctx context.Context, ranges []change.Range, fn func([]change.KV) error) (int64, error) {
	stored, err := t.keys.ranges(ranges)
	if err != nil {
		return 0, err
	}
	return t.Target.Scan(ctx, stored, func(kvs []change.KV) error {
		if out := t.shownOf(kvs); len(out) > 0 {
			return fn(out)
		}
		return nil
	})
}

// shownOf leaves out what is the edge's own.
func (t *Target) shownOf(kvs []change.KV) []change.KV {
	out := make([]change.KV, 0, len(kvs))
	for _, kv := range kvs {
		key, k, isObject, ok := t.keys.show(kv.Key)
		switch {
		case !ok:
		case !isObject:
			out = append(out, kv)
		case mayBeOurs(kv.Value):
			if now, err := t.show(k, key, kv.Value); err == nil && now.ours {
				out = append(out, change.KV{Key: key, Value: now.value})
			}
		}
	}
	return out
}

// Diff compares the chunk with what the edge holds of ours.
func (t *Target) Diff(ctx context.Context, c target.Chunk) (target.Replaced, error) {
	return c.Compare(func([]byte) bool { return true }, func(fn func([]change.KV) error) error {
		_, err := t.Scan(ctx, t.selected(c.Range), fn)
		return err
	})
}

// selected is the part of r that lies in the selection.
func (t *Target) selected(r change.Range) []change.Range {
	var out []change.Range
	for _, s := range t.ranges {
		if i := s.Intersect(r); !i.Empty() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b change.Range) int { return bytes.Compare(a.Lo, b.Lo) })
	return out
}

// Replace makes the range hold the chunk, as [target.Target.Replace] does.
func (t *Target) Replace(ctx context.Context, c target.Chunk) (target.Replaced, error) {
	plan, err := t.Diff(ctx, c)
	if err != nil {
		return target.Replaced{}, err
	}
	return c.Carry(plan, batches, func(part []change.Change) (int64, error) {
		return t.Commit(ctx, target.Tx{Changes: part, Newest: c.Newest})
	})
}

// Bounds of a transaction of Replace, before objects are made of the intents.
const (
	batchBytes = 256 << 10
	batchKeys  = 256
)

func batches(changes []change.Change) [][]change.Change {
	var out [][]change.Change
	start, size := 0, 0
	for i, c := range changes {
		if i > start && (size+target.Size(c) > batchBytes || i-start == batchKeys) {
			out = append(out, changes[start:i])
			start, size = i, 0
		}
		size += target.Size(c)
	}
	if start < len(changes) {
		out = append(out, changes[start:])
	}
	return out
}
