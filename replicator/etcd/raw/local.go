package raw

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Watch gives fn what others did to objects of ours, as intents. Writes that
// leave the intent as it is, of status and the like, are not given: most of what
// controllers write is that.
func (t *Target) Watch(ctx context.Context, ranges []change.Range, from int64, fn func(writes []target.Local, seen int64) error) error {
	stored, err := t.keys.ranges(ranges)
	if err != nil {
		return err
	}
	return t.Target.Watch(ctx, stored, from, func(writes []target.Local, seen int64) error {
		var out []target.Local
		for _, w := range writes {
			shown, ok, err := t.local(ctx, w)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, shown)
			}
		}
		return fn(out, seen)
	})
}

// local is a write of others as it counts for the channel; ok is false when it
// does not.
func (t *Target) local(ctx context.Context, w target.Local) (out target.Local, ok bool, err error) {
	key, k, isObject, ok := t.keys.show(w.Key)
	if !ok || !isObject {
		return w, ok, nil
	}
	was, known, err := t.before(ctx, w.Key, k, key, w.Revision)
	if err != nil {
		return w, false, err
	}
	out = target.Local{Key: key, Deleted: w.Deleted, Revision: w.Revision}
	if w.Deleted {
		return out, was.ours || !known, nil
	}
	now, err := t.show(k, key, w.Value)
	switch {
	case err != nil && !was.ours:
		return out, false, nil // of others, and unreadable
	case err != nil:
		out.Value = w.Value
		return out, true, nil //nolint:nilerr // it was of ours, and is given as it is stored
	case !now.ours && known && !was.ours:
		return out, false, nil
	case now.ours && was.ours && bytes.Equal(now.value, was.value):
		return out, false, nil
	}
	out.Value, out.By = now.value, writer(k, w.Value)
	return out, true, nil
}

// before is an object just before a revision; known is false when the history is
// gone.
func (t *Target) before(ctx context.Context, stored []byte, k object.Key, delivered []byte, revision int64) (was shown, known bool, err error) {
	value, found, err := t.Target.Before(ctx, stored, revision)
	switch {
	case errors.Is(err, target.ErrCompacted):
		return shown{}, false, nil
	case err != nil:
		return shown{}, false, err
	case !found || !mayBeOurs(value):
		return shown{}, true, nil
	}
	was, err = t.show(k, delivered, value)
	if err != nil {
		return shown{}, true, nil //nolint:nilerr // it is unreadable, and of others
	}
	return was, true, nil
}

// writer is the manager that wrote an object last, by its own record.
func writer(k object.Key, stored []byte) string {
	o, err := object.Decode(k, stored)
	if err != nil {
		return ""
	}
	metadata, _ := o.Fields()["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	newest, by := "", ""
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		manager, at := text(entry, "manager"), text(entry, "time")
		if at >= newest && manager != unmanaged {
			newest, by = at, manager
		}
	}
	return by
}

// unmanaged is what an API server calls all that nobody said to own.
const unmanaged = "before-first-apply"

// Before is what an object of ours was just before a revision, as it was
// delivered; found is false when there was none.
func (t *Target) Before(ctx context.Context, key []byte, revision int64) (value []byte, found bool, err error) {
	if !isObject(key) {
		return t.Target.Before(ctx, key, revision)
	}
	k, err := t.parse(key)
	if err != nil {
		return nil, false, fmt.Errorf("read key %q: %w", key, err)
	}
	value, found, err = t.Target.Before(ctx, t.stored(k), revision)
	if !found || err != nil {
		return nil, false, err
	}
	was, err := t.show(k, key, value)
	if err != nil || !was.ours {
		return nil, false, nil //nolint:nilerr // it is unreadable, and of others
	}
	return was.value, true, nil
}

// Get is the intent of what is stored under the name of an object now, be it ours
// or not, and the revision that wrote it. What cannot be read is given as it is
// stored.
func (t *Target) Get(ctx context.Context, key []byte) (value []byte, revision int64, err error) {
	if !isObject(key) {
		return t.Target.Get(ctx, key)
	}
	k, err := t.parse(key)
	if err != nil {
		return nil, 0, fmt.Errorf("read key %q: %w", key, err)
	}
	value, revision, err = t.Target.Get(ctx, t.stored(k))
	if revision == 0 || err != nil {
		return nil, revision, err
	}
	if now, err := t.show(k, key, value); err == nil {
		value = now.value
	}
	return value, revision, nil
}
