package importer

import (
	"bytes"
	"cmp"
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
	"github.com/syncer-io/syncer/replicator/fault"
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
	if err := a.resolvable(t, value); err != nil || t.shown.Reason != "" {
		return err
	}
	switch {
	case value != nil:
		err = a.keepValue(ctx, t, *value, how)
	case t.command.Take == command.TakeEdge:
		err = a.keepEdge(ctx, t.command.Keys)
	default:
		err = a.takeSource(ctx, t)
	}
	if err != nil || t.shown.Reason != "" {
		return err
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
		if k := a.parked.keys[string(key)]; k != nil {
			a.moveTo(status.Kept, "somebody decided that the edge's value stays", k)
		}
	}
	if err := a.parked.save(ctx, a); err != nil {
		return err
	}
	for _, key := range keys {
		if err := a.resolved(key, string(command.TakeEdge), func(r *ledger.Record) { r.Outcome = conflict.KeepEdge }); err != nil {
			return err
		}
	}
	return nil
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

// keepValue has a key hold a value that somebody gave. One that the target does
// not take leaves everything as it was, and fails the task.
func (a *applier) keepValue(ctx context.Context, t *task, v conflict.Value, how string) error {
	const reason = "somebody gave the value that the edge holds"
	key := t.command.Keys[0]
	for {
		c := conflict.Case{Key: key, Edge: v}
		waits := a.parked.has(key)
		var err error
		if waits {
			c.Source, c.BaseKnown, err = a.lastReplicated(key, never)
			if err == nil {
				_, err = a.onRecord(ctx, key, c.Source, c.BaseKnown)
			}
		} else if c.Source, err = a.standsThere(ctx, key); err == nil {
			c.BaseKnown = true
			a.setApart(status.Kept, reason, c)
			err = a.parked.save(ctx, a)
		}
		if err != nil {
			return err
		}
		a.merging[string(key)] = struct{}{}
		dirty, err := a.dirty(ctx, a.commitAll(ctx, []change.Change{changeTo(key, v)}, a.standing()))
		if no, asked := a.saysNo(ctx, changeTo(key, v), err); no != nil || asked != nil {
			delete(a.merging, string(key))
			if !waits {
				a.parked.release(key)
			}
			t.shown.Reason, t.shown.Try = fmt.Sprintf("the target does not take the value of key %q: %v", key, no), cmp.Or(fault.Try(no), howElse(key))
			return errors.Join(asked, a.parked.saveGone(ctx, a))
		}
		if err != nil {
			return err
		}
		if dirty {
			continue
		}
		if k := a.parked.keys[string(key)]; waits && k != nil {
			a.moveTo(status.Kept, reason, k)
			if err := a.parked.save(ctx, a); err != nil {
				return err
			}
		}
		return a.resolved(key, how, func(r *ledger.Record) {
			given(r, c)
			r.LocalRevision, r.By = a.modRev, ""
		})
	}
}

// standsThere is what the target has of a key.
func (a *applier) standsThere(ctx context.Context, key []byte) (v conflict.Value, err error) {
	err = a.promptly(ctx, func() error {
		value, rev, err := a.target.Get(ctx, key)
		v = conflict.Value{Present: rev > 0, Bytes: value}
		return err
	})
	return v, err
}

// given says in a record what somebody had the edge hold.
func given(r *ledger.Record, c conflict.Case) {
	r.Outcome, r.Edge = conflict.KeepEdge, ledger.Of(c.Edge)
	r.Source = ledger.Value{Unknown: true}
	if c.BaseKnown {
		r.Source = ledger.Of(c.Source)
	}
	r.Base = r.Source
}

// saysNo is why the target does not take a change, nil when the error of its
// commit is not about that.
func (a *applier) saysNo(ctx context.Context, c change.Change, err error) (no, asked error) {
	if rejected, _, ok := rejections([]change.Change{c}, err); ok {
		return rejected[0].refused.Err, nil
	}
	if !refusal(err) {
		return nil, nil
	}
	var refused []target.Refused
	asked = a.promptly(ctx, func() (err error) {
		refused, err = a.target.Refused(ctx, []change.Change{c})
		return err
	})
	if r := first(refused); r != nil {
		return r.Err, nil
	}
	return err, asked
}

// takeSource has keys hold what the source has: at once where that is on record,
// and by comparing otherwise. Keys that wait together are written together.
func (a *applier) takeSource(ctx context.Context, t *task) error {
	var unknown [][]byte
	for _, keys := range a.together(t.command.Keys) {
		done, err := a.takeGroup(ctx, keys)
		if err != nil {
			return err
		}
		if !done {
			unknown = append(unknown, keys...)
		}
	}
	for _, key := range t.command.Keys {
		if err := a.resolved(key, string(command.TakeSource), func(r *ledger.Record) { r.Outcome = conflict.TakeSource }); err != nil {
			return err
		}
		if k := a.parked.keys[string(key)]; k != nil && !status.Local(k.group.Why) {
			t.shown.Reason, t.shown.Try = "what the source has waits: "+k.group.Reason, cmp.Or(k.group.Try, howElse(key))
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

// together are keys by the group that they wait in.
func (a *applier) together(keys [][]byte) (out [][][]byte) {
	at := make(map[*parkedGroup]int)
	named := make(map[string]bool)
	for _, key := range keys {
		if named[string(key)] {
			continue
		}
		named[string(key)] = true
		k := a.parked.keys[string(key)]
		if k == nil {
			continue
		}
		g := k.group
		i, ok := at[g]
		if !ok {
			i = len(out)
			at[g], out = i, append(out, nil)
		}
		out[i] = append(out[i], key)
	}
	return out
}

// takeGroup writes what the source has of keys in one commit. done is false when
// only a comparison can: it is not on record, or the target does not take all of
// it at once.
func (a *applier) takeGroup(ctx context.Context, keys [][]byte) (done bool, err error) {
	for {
		var changes []change.Change
		all := true
		for _, key := range keys {
			if k := a.parked.keys[string(key)]; k == nil || !status.Local(k.group.Why) {
				continue // an edit in between settled it
			}
			v, known, err := a.lastReplicated(key, never)
			if err != nil {
				return false, err
			}
			if _, err := a.onRecord(ctx, key, v, known); err != nil {
				return false, err
			}
			all = all && known
			changes = append(changes, changeTo(key, v))
		}
		if !all || len(changes) == 0 {
			return all, nil
		}
		dirty, err := a.dirty(ctx, a.commit(ctx, changes, a.standing()))
		if refusal(err) {
			return a.refuse(ctx, changes, a.position)
		}
		if !dirty || err != nil {
			return true, err
		}
	}
}
