package guarantee

import (
	"errors"
	"fmt"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// Absence makes sure that a key of the selection is deleted only with a proof:
// the source did not have it. Where the target follows the source, that is at
// the cursor's revision. In a bootstrap or resync, and while changes wait for
// somebody, it is at any revision behind the cursor that was there before.
func Absence(c Case) error {
	known := make(map[string]presence)
	for s, err := range c.steps() {
		if err != nil {
			return fmt.Errorf("absence: %w", err)
		}
		for _, e := range s.data {
			if !e.Delete || s.local {
				continue
			}
			if err := c.proven(s, e.Key, known); err != nil {
				return fmt.Errorf("absence: %s: key %q is deleted, and %w", s.at(), e.Key, err)
			}
		}
	}
	return nil
}

// presence is, by delivered key, the revisions at which the source wrote or
// deleted it. What it held at the base of its history is written there.
type presence map[string][]appearance

type appearance struct {
	revision int64
	there    bool
}

func (c Case) presence(source history.History) presence {
	out := presence{}
	for key := range c.selected(source.Content) {
		out[key] = append(out[key], appearance{source.Base, true})
	}
	for _, rev := range source.Revs {
		for _, e := range c.selectedEvents(rev) {
			out[e.Key] = append(out[e.Key], appearance{rev.Revision, !e.Delete})
		}
	}
	return out
}

func (c Case) proven(s step, key string, known map[string]presence) error {
	if !s.hasCursor {
		return errors.New("no cursor says of which source")
	}
	source, err := c.source(s.after)
	if err != nil {
		return err
	}
	p, ok := known[s.after.Lineage]
	if !ok {
		p = c.presence(source)
		known[s.after.Lineage] = p
	}
	from, to := source.Base, source.Last()
	switch {
	case s.plain():
		from, to = s.after.Revision, s.after.Revision
	case s.hadCursor && s.before.Lineage == s.after.Lineage:
		from = s.before.Revision
	}
	if !p.lacks(key, from, to) {
		return fmt.Errorf("the source had it from revision %d to %d", from, to)
	}
	return nil
}

// lacks reports whether a key was absent at some revision of a span.
func (p presence) lacks(key string, from, to int64) bool {
	there := false
	for _, a := range p[key] {
		switch {
		case a.revision <= from:
			there = a.there
		case a.revision <= to && (!there || !a.there):
			return true
		}
	}
	return !there
}
