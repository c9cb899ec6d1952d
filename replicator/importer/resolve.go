package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// Conflicts are those on record that a query is about. It may be called at any
// time while Run runs.
func (im *Importer) Conflicts(q command.Query) (found []ledger.Record, more bool, err error) {
	if im.ledger == nil {
		return nil, false, errors.New("the importer has not started yet")
	}
	return q.Find(im.ledger)
}

// tell has a task tell of conflicts.
func (a *applier) tell(t *task) error {
	var q command.Query
	if t.command.Query != nil {
		q = *t.command.Query
	}
	found, more, err := q.Find(a.im.ledger)
	if errors.Is(err, ledger.ErrNotFound) {
		t.shown.Reason, t.shown.Try = err.Error(), "syncer conflicts list"
		return nil
	}
	t.shown.Conflicts, t.shown.More = command.Tell(found), more
	return err
}

// resolve carries out what somebody decided about keys. What stays at the edge
// stays until the source changes it: then their rule decides.
func (a *applier) resolve(ctx context.Context, t *task) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	if err := a.known(ctx); err != nil {
		return err
	}
	value, how, err := a.decided(t)
	if err != nil || t.shown.Reason != "" {
		return err
	}
	for _, key := range t.command.Keys {
		if k := a.parked.keys[string(key)]; value == nil && (k == nil || !status.Local(k.group.Why)) {
			t.shown.Reason = fmt.Sprintf("key %q is not in conflict: there is nothing to decide", key)
			t.shown.Try = "syncer conflicts list"
			return nil
		}
		if !a.selects(key) {
			t.shown.Reason, t.shown.Try = fmt.Sprintf("key %q is not replicated to this edge", key), "syncer policy explain"
			return nil
		}
	}
	switch {
	case value != nil:
		err = a.keepValue(ctx, t.command.Keys[0], *value)
	case t.command.Take == command.TakeEdge:
		err = a.keepEdge(ctx, t.command.Keys)
	default:
		err = a.takeSource(ctx, t.command.Keys)
	}
	if err != nil {
		return err
	}
	for _, key := range t.command.Keys {
		if err := a.settled(key, how); err != nil {
			return err
		}
	}
	t.shown.Keys = len(t.command.Keys)
	return nil
}

// decided is the value that somebody gave for a key, if that is how it is
// resolved, and how to call it. What cannot be carried out fails the task.
func (a *applier) decided(t *task) (value *conflict.Value, how string, err error) {
	switch t.command.Take {
	case command.TakeValue:
		return &conflict.Value{Present: true, Bytes: t.command.Value}, "file", nil
	case command.TakeRecord:
		r, err := a.im.ledger.Get(t.command.Record)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, "", err
		}
		v, whole := r.Edge.Value()
		switch {
		case err != nil || !bytes.Equal(r.Key, t.command.Keys[0]):
			t.shown.Reason = fmt.Sprintf("there is no record %d of key %q", t.command.Record, t.command.Keys[0])
			t.shown.Try = "syncer conflicts list"
		case !whole:
			t.shown.Reason = fmt.Sprintf("record %d holds only the beginning of the value, which was too large", t.command.Record)
			t.shown.Try = "syncer conflicts resolve KEY --take file=PATH"
		}
		return &v, fmt.Sprintf("restore=%d", t.command.Record), nil
	}
	return nil, string(t.command.Take), nil
}

// keepEdge has keys hold what the edge made of them.
func (a *applier) keepEdge(ctx context.Context, keys [][]byte) error {
	for _, key := range keys {
		a.moveTo(status.Kept, "somebody decided that the edge's value stays", a.parked.keys[string(key)])
	}
	return a.parked.save(ctx, a)
}

// moveTo takes a key that waits into a group of its own.
func (a *applier) moveTo(why, reason string, k *parkedKey) {
	c := change.Change{Op: change.Delete, Key: k.Key}
	if k.Put {
		c.Op = change.Put
	}
	g := target.Parked{Why: why, Reason: reason, Revision: a.position, Since: time.Now(), Keys: []target.ParkedKey{k.ParkedKey}}
	g.ID = groupID(a.position, []change.Change{c})
	if i := filter.RuleOf(a.rules, k.Key); i >= 0 {
		g.Rule = a.rules[i].Name
	}
	if g.Reason == "" {
		g.Reason = fmt.Sprintf("key %q was changed at the edge", k.Key)
	}
	if !status.Settled(why) {
		g.Try = "syncer conflicts show " + string(k.Key)
	}
	a.parked.add(g)
	a.parked.groups[len(a.parked.groups)-1].dirty = true
}

// keepValue has a key hold a value that somebody gave.
func (a *applier) keepValue(ctx context.Context, key []byte, v conflict.Value) error {
	for {
		reason := "somebody gave the value that the edge holds"
		if k := a.parked.keys[string(key)]; k != nil {
			source, known, err := a.lastReplicated(key, never)
			if err != nil {
				return err
			}
			if _, err := a.onRecord(ctx, key, source, known); err != nil {
				return err
			}
			a.moveTo(status.Kept, reason, k)
		} else {
			now, rev, err := a.target.Get(ctx, key)
			if err != nil {
				return err
			}
			there := conflict.Value{Present: rev > 0, Bytes: now}
			a.setApart(status.Kept, reason, conflict.Case{Key: key, Edge: v, Source: there})
		}
		a.parked.keys[string(key)].Present = v.Present
		if err := a.parked.save(ctx, a); err != nil {
			return err
		}
		a.merging[string(key)] = struct{}{}
		dirty, err := a.dirty(ctx, a.commit(ctx, []change.Change{changeTo(key, v)}, a.standing()))
		if !dirty || err != nil {
			return err
		}
	}
}

// takeSource has keys hold what the source has: at once where that is on record,
// and by comparing otherwise.
func (a *applier) takeSource(ctx context.Context, keys [][]byte) error {
	var unknown [][]byte
	for _, key := range keys {
		v, known, err := a.lastReplicated(key, never)
		if err != nil {
			return err
		}
		k := a.parked.keys[string(key)]
		if k == nil {
			continue // an edit in between settled it
		}
		if _, err := a.onRecord(ctx, key, v, known); err != nil {
			return err
		}
		if !known || v.Present != k.Put || changeSum(string(key), v) != k.Sum {
			unknown = append(unknown, key)
			continue
		}
		c := changeTo(key, v)
		for {
			dirty, err := a.dirty(ctx, a.commit(ctx, []change.Change{c}, a.standing()))
			if refusal(err) {
				err = a.refuseEach(ctx, []change.Change{c})
			}
			if err != nil {
				return err
			}
			if !dirty {
				break
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return a.compareAgain(ctx, "somebody decided that the source wins", func() {
		for _, key := range unknown {
			a.parked.release(key)
		}
	})
}
