package guarantee

import (
	"fmt"
	"iter"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// step is one target revision, seen with the cursor before and after it.
type step struct {
	revision  int64
	before    Cursor
	hadCursor bool // before is meaningful
	after     Cursor
	hasCursor bool // after is meaningful
	moved     bool // this revision wrote the cursor
	local     bool
	data      []history.Event // changes of the selection
	events    []history.Event // all changes
}

// plain reports whether the step follows the source in ordinary replication:
// whole before, whole after, in one lineage.
func (s step) plain() bool {
	return s.hadCursor && s.hasCursor && s.before.whole() && s.after.whole() &&
		s.before.Lineage == s.after.Lineage
}

// at says where a step is, for errors.
func (s step) at() string { return fmt.Sprintf("target revision %d", s.revision) }

// start is the cursor in the target's content at the base of its history.
func (c Case) start() (cursor Cursor, ok bool, err error) {
	value, ok := c.Target.Content[c.CursorKey]
	if !ok {
		return Cursor{}, false, nil
	}
	cursor, err = c.Decode(value)
	if err != nil {
		return cursor, false, fmt.Errorf("target revision %d: cursor: %w", c.Target.Base, err)
	}
	return cursor, true, nil
}

// steps walks the target's history. It yields an error and stops when the
// cursor cannot be read.
func (c Case) steps() iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		cursor, has, err := c.start()
		if err != nil {
			yield(step{}, err)
			return
		}
		for _, rev := range c.Target.Revs {
			s, err := c.step(rev, cursor, has)
			if !yield(s, err) || err != nil {
				return
			}
			cursor, has = s.after, s.hasCursor
		}
	}
}

func (c Case) step(rev history.Rev, cursor Cursor, has bool) (step, error) {
	s := step{
		revision: rev.Revision, events: rev.Events, local: c.local(rev.Revision),
		before: cursor, hadCursor: has, after: cursor, hasCursor: has,
	}
	for _, e := range rev.Events {
		switch {
		case e.Key == c.CursorKey:
			var err error
			if s.after, err = c.read(e); err != nil {
				return s, fmt.Errorf("%s: cursor: %w", s.at(), err)
			}
			s.moved, s.hasCursor = true, !e.Delete
		case c.Selection.Owns(e.Key):
			s.data = append(s.data, e)
		}
	}
	return s, nil
}

func (c Case) read(e history.Event) (Cursor, error) {
	if e.Delete {
		return Cursor{}, nil
	}
	return c.Decode(e.Value)
}
