package exporter

import (
	"bytes"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/status"
)

// known is the mod revision at which the index last saw a source key, and
// whether it knows it.
func (c *channel) known(sourceKey []byte) (revision int64, ok bool) {
	for _, key := range c.selection.Places(sourceKey) {
		if e, had := c.index.get(key); had {
			revision, ok = max(revision, e.modRevision), true
		}
	}
	if rev, had := c.index.beside(sourceKey); had {
		revision, ok = max(revision, rev), true
	}
	return revision, ok
}

// there is the mod revision at which the index last saw a source key, and
// whether it holds that the key exists. Of a released key it knows only when it
// was released.
func (c *channel) there(sourceKey []byte) (revision int64, ok bool) {
	for _, key := range c.selection.Places(sourceKey) {
		if e, had := c.index.get(key); had && !e.released {
			return e.modRevision, true
		}
	}
	return c.index.beside(sourceKey)
}

// settle decides about one event, brings it into the index, and gives what an
// edge has to see of it: a put of what the key holds already is nothing, nor is the delete of a
// key that the channel does not hold.
//
// What is not selected any more is deleted at edges, or released by the rule's
// leave. What cannot be read is released too: nobody knows what it is now, so
// edges keep what they have until somebody does.
func (c *channel) settle(e source.Event) ([]change.Change, error) {
	if e.Op == change.Delete {
		return c.settleAs(e, filter.Outcome{Rule: -1})
	}
	return c.settleAs(e, c.selection.Take(e.Key, e.Value))
}

func (c *channel) settleAs(e source.Event, out filter.Outcome) ([]change.Change, error) {
	if err := c.settleBeside(e, out); err != nil {
		return nil, err
	}
	var changes []change.Change
	for _, key := range c.selection.Places(e.Key) {
		if out.Verdict == filter.Selected && bytes.Equal(key, out.Key) {
			continue
		}
		left, err := c.leave(key, e.ModRevision, released(out))
		if err != nil {
			return nil, err
		}
		changes = append(changes, left...)
	}
	if out.Verdict != filter.Selected {
		return changes, nil
	}
	put, err := c.put(out.Key, out.Value, e.ModRevision)
	return append(changes, put...), err
}

// released reports whether edges keep what they hold of a key that does not
// cross.
func released(out filter.Outcome) bool { return out.Orphan || out.Verdict == filter.Refused }

// settleAnew takes a listed item into an index that knows nothing of what edges
// hold. They may hold each key that is released, and would delete it.
func (c *channel) settleAnew(e source.Event) error {
	out := c.selection.Take(e.Key, e.Value)
	if _, err := c.settleAs(e, out); err != nil || !released(out) {
		return err
	}
	for _, key := range c.selection.Places(e.Key) {
		if _, err := c.put(key, change.Released, e.ModRevision); err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) settleBeside(e source.Event, out filter.Outcome) error {
	switch {
	case e.Op == change.Delete || out.Verdict == filter.Selected:
		return c.index.dropBeside(e.Key)
	case out.Verdict == filter.Refused:
		c.logger.Warn("the source holds what cannot be read; it does not cross", "channel", c.name,
			"key", string(e.Key), "revision", e.ModRevision, "reason", out.Reason)
		return c.index.setRefused(e.Key, e.ModRevision, out.Reason)
	default:
		return c.index.setBeside(e.Key, e.ModRevision)
	}
}

// put has a key hold a value.
func (c *channel) put(key, value []byte, revision int64) ([]change.Change, error) {
	old, had := c.index.get(key)
	next := entry{
		modRevision: revision,
		sum:         digest.Item(key, value),
		size:        uint64(len(key) + len(value)),
		released:    change.IsReleased(value),
	}
	if err := c.index.put(key, old, had, next); err != nil {
		return nil, err
	}
	if had && old.sum == next.sum {
		return nil, nil
	}
	return []change.Change{{Op: change.Put, Key: key, Value: value}}, nil
}

// leave takes a key out of the channel. A released key stays: it is the edges'
// own, whatever becomes of it at the source.
func (c *channel) leave(key []byte, revision int64, release bool) ([]change.Change, error) {
	old, had := c.index.get(key)
	switch {
	case !had || old.released:
		return nil, nil
	case release:
		return c.put(key, change.Released, revision)
	}
	if err := c.index.remove(key, old); err != nil {
		return nil, err
	}
	return []change.Change{{Op: change.Delete, Key: key}}, nil
}

// refusals are what the exporter's report says of objects that cannot be read.
func (c *channel) refusals() *status.Refused {
	if c.index.refused == 0 {
		return nil
	}
	out := &status.Refused{Objects: c.index.refused}
	keys, reasons := c.index.firstRefused(status.MaxRefused)
	for i, key := range keys {
		out.First = append(out.First, status.RefusedObject{Key: key, Reason: reasons[i]})
	}
	return out
}
