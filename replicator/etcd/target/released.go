package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// A released key is the target's own: a put of change.Released writes a marker
// beside the cursor and does not touch the key. As long as the marker is there
// the key counts as holding change.Released, whatever it holds, and also when it
// does not exist. Whatever else is written to the key takes the marker away, at
// the same revision.

// marker is the key that says of another one that it is released.
func (t *Target) marker(key []byte) []byte { return append([]byte(t.releasedPrefix()), key...) }

func (t *Target) releasedPrefix() string {
	return Prefix + "released/" + t.key.Source + "/" + t.key.Channel + "/"
}

func releases(c change.Change) bool { return c.Op == change.Put && change.IsReleased(c.Value) }

// withMarkers gives the changes as they are written: sorted by key. While there
// may be markers each change takes that of its key away, without asking whether
// there is one: nothing has to be remembered of the keys, and a delete of
// nothing costs etcd next to nothing.
func (t *Target) withMarkers(changes []change.Change) []change.Change {
	some := t.released.Load()
	if !some && !slices.ContainsFunc(changes, releases) {
		return changes
	}
	out := make([]change.Change, 0, 2*len(changes))
	for _, c := range changes {
		switch {
		case releases(c):
			out = append(out, change.Change{Op: change.Put, Key: t.marker(c.Key)})
		case some:
			out = append(out, c, change.Change{Op: change.Delete, Key: t.marker(c.Key)})
		default:
			out = append(out, c)
		}
	}
	slices.SortFunc(out, byKey)
	return out
}

// written bounds the bytes that a change takes in a transaction, with those of
// its marker.
func (t *Target) written(c change.Change) int {
	switch {
	case releases(c):
		return Size(change.Change{Key: t.marker(c.Key)})
	case t.released.Load():
		return Size(c) + Size(change.Change{Key: t.marker(c.Key)})
	default:
		return Size(c)
	}
}

// withdrawn finds out anew whether there are markers, after the first one was
// refused: a user who may not write any can go on with everything else.
func (t *Target) withdrawn(ctx context.Context, err error) error {
	t.mu.Lock() // while nobody writes one
	defer t.mu.Unlock()
	return errors.Join(err, t.learnReleased(ctx))
}

// learnReleased finds out whether there are markers, once nobody else writes
// any.
func (t *Target) learnReleased(ctx context.Context) error {
	_, found, err := t.anyReleased(ctx)
	if err == nil {
		t.released.Store(found)
	}
	return err
}

// anyReleased is whether there is any marker now (linearizable), and the
// revision of the etcd.
func (t *Target) anyReleased(ctx context.Context) (revision int64, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.attempt)
	defer cancel()
	prefix := t.releasedPrefix()
	resp, err := t.cli.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
	if err != nil {
		return 0, false, fmt.Errorf("look for released keys: %w", t.explain(err, prefix))
	}
	return resp.Header.Revision, len(resp.Kvs) > 0, nil
}

// markers walks the released keys of a range, in key order.
type markers struct {
	list   *keyList
	prefix int
	head   []byte // the next one; nil when that is not read yet
}

// markersIn are the markers as of a revision; 0 is now.
func (t *Target) markersIn(r change.Range, revision int64) *markers {
	prefix := t.releasedPrefix()
	l := &keyList{t: t, rev: revision, next: t.marker(r.Lo), end: t.marker(r.Hi)}
	if len(r.Hi) == 0 {
		l.end = change.PrefixRange([]byte(prefix)).Hi
	}
	return &markers{list: l, prefix: len(prefix)}
}

// peek is the next released key, nil at the end.
func (m *markers) peek(ctx context.Context) ([]byte, error) {
	if m.head != nil {
		return m.head, nil
	}
	marker, err := m.list.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the released keys: %w", m.list.t.explain(err, m.list.t.releasedPrefix()))
	}
	if marker != nil {
		m.head = marker[m.prefix:]
	}
	return m.head, nil
}

// upTo gives fn the released keys before a key, all that are left when it is
// nil, and tells whether the key itself is released.
func (m *markers) upTo(ctx context.Context, key []byte, fn func(key []byte) error) (released bool, err error) {
	for {
		head, err := m.peek(ctx)
		if head == nil || err != nil {
			return false, err
		}
		if order := bytes.Compare(head, key); key != nil && order >= 0 {
			if order == 0 {
				m.head = nil
			}
			return order == 0, nil
		}
		m.head = nil
		if err := fn(head); err != nil {
			return false, err
		}
	}
}

// scanReleased is scanRange where keys may be released.
func (t *Target) scanReleased(ctx context.Context, r change.Range, rev int64, fn func([]change.KV) error) error {
	if r.Empty() {
		return nil
	}
	m := t.markersIn(r, rev)
	var out []change.KV
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		full := out
		out = nil // the reader may keep it
		return fn(full)
	}
	released := func(key []byte) error {
		if out = append(out, change.KV{Key: key, Value: change.Released}); len(out) >= keyPage {
			return flush()
		}
		return nil
	}
	err := t.scanRange(ctx, r, rev, func(kvs []change.KV) error {
		for _, kv := range kvs {
			is, err := m.upTo(ctx, kv.Key, released)
			if err != nil {
				return err
			}
			if is {
				kv.Value = change.Released
			}
			out = append(out, kv)
		}
		return flush()
	})
	if err == nil {
		_, err = m.upTo(ctx, nil, released)
	}
	if err == nil {
		err = flush()
	}
	return err
}

// Disown forgets which keys of the ranges are released. The keys stay as they
// are. Errors are those of Commit; when it fails some may be forgotten.
func (t *Target) Disown(ctx context.Context, ranges []change.Range) error {
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		var units [][]change.Change
		forget := func() error {
			full := units
			units = nil
			return t.commitParked(ctx, full)
		}
		_, err := t.markersIn(r, 0).upTo(ctx, nil, func(key []byte) error {
			if units = append(units, []change.Change{{Op: change.Delete, Key: t.marker(key)}}); len(units) < keyPage {
				return nil
			}
			return forget()
		})
		if err == nil {
			err = forget()
		}
		if err != nil {
			return fmt.Errorf("forget the released keys of %s: %w", r, err)
		}
	}
	return nil
}
