package guarantee

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// Prefix makes sure that at every target revision at which the cursor claims
// it, the target's selection equals the source's at the cursor's revision.
func Prefix(c Case) error {
	r := newReplay(c)
	if err := prefixAtStart(c, r); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	for s, err := range c.steps() {
		if err != nil {
			return fmt.Errorf("prefix: %w", err)
		}
		r.target(s.data)
		if !s.hasCursor || !s.after.whole() {
			continue
		}
		if err := equalAt(r, s.after); err != nil {
			return fmt.Errorf("prefix: %s: %w", s.at(), err)
		}
	}
	return nil
}

func prefixAtStart(c Case, r *replay) error {
	cursor, ok, err := c.start()
	if err != nil || !ok || !cursor.whole() {
		return err
	}
	if err := equalAt(r, cursor); err != nil {
		return fmt.Errorf("target revision %d: %w", c.Target.Base, err)
	}
	return nil
}

func equalAt(r *replay, cursor Cursor) error {
	if _, err := r.follow(cursor); err != nil {
		return err
	}
	if err := r.difference(); err != nil {
		return fmt.Errorf("not the selection at %s: %w", cursor, err)
	}
	return nil
}

// Convergent makes sure that in the end the target is whole, has everything
// that the source's selection has, and has nothing else in it.
func Convergent(c Case) error {
	cursor, ok, err := c.final()
	switch {
	case err != nil:
		return fmt.Errorf("convergent: %w", err)
	case !ok:
		return fmt.Errorf("convergent: target revision %d: there is no cursor", c.Target.Last())
	case !cursor.whole():
		return fmt.Errorf("convergent: target revision %d: cursor %s is not consistent", c.Target.Last(), cursor)
	}
	if err := c.sameInTheEnd(cursor); err != nil {
		return fmt.Errorf("convergent: target revision %d: %w", c.Target.Last(), err)
	}
	return nil
}

func (c Case) sameInTheEnd(cursor Cursor) error {
	source, err := c.source(cursor)
	if err != nil {
		return err
	}
	if last := c.lastChanged(source); cursor.Revision < last {
		return fmt.Errorf("cursor %s is behind the selection's last change at %d", cursor, last)
	}
	r := newReplay(c)
	for _, rev := range c.Target.Revs {
		r.target(ownedEvents(c, rev))
	}
	if err := r.reset(Cursor{Lineage: cursor.Lineage, Revision: source.Last()}); err != nil {
		return err
	}
	return r.difference()
}

// lastChanged is the last source revision that changed the selection's content.
// Writing what a key holds already changes nothing, and moves no cursor.
func (c Case) lastChanged(source history.History) int64 {
	content, last := c.selected(source.Content), source.Base
	for _, rev := range source.Revs {
		for _, e := range c.selectedEvents(rev) {
			value, held := content[e.Key]
			if same := held && value == e.Value; e.Delete && !held || !e.Delete && same {
				continue
			}
			last = rev.Revision
			e.Apply(content)
		}
	}
	return last
}

func ownedEvents(c Case, rev history.Rev) []history.Event {
	var out []history.Event
	for _, e := range rev.Events {
		if c.Selection.Owns(e.Key) {
			out = append(out, e)
		}
	}
	return out
}

// final is the cursor at the end of the target's history.
func (c Case) final() (cursor Cursor, ok bool, err error) {
	cursor, ok, err = c.start()
	if err != nil {
		return cursor, ok, err
	}
	for s, err := range c.steps() {
		if err != nil {
			return cursor, false, err
		}
		cursor, ok = s.after, s.hasCursor
	}
	return cursor, ok, nil
}
