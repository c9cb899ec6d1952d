package guarantee

import (
	"fmt"
	"strings"
)

// Ordered makes sure that the cursor never goes back within a lineage, never
// returns to a lineage that it left, and is never deleted.
func Ordered(c Case) error {
	left := map[string]bool{}
	for s, err := range c.steps() {
		if err != nil {
			return fmt.Errorf("ordered: %w", err)
		}
		switch {
		case !s.hadCursor:
		case !s.hasCursor:
			return fmt.Errorf("ordered: %s: key %q: the cursor is deleted at %s", s.at(), c.CursorKey, s.before)
		case s.before.Lineage != s.after.Lineage:
			left[s.before.Lineage] = true
		case s.after.Revision < s.before.Revision:
			return fmt.Errorf("ordered: %s: key %q: the cursor goes back from %s to %s", s.at(), c.CursorKey, s.before, s.after)
		}
		if s.hasCursor && left[s.after.Lineage] {
			return fmt.Errorf("ordered: %s: key %q: the cursor returns to %s, a lineage that it left", s.at(), c.CursorKey, s.after)
		}
	}
	return nil
}

// ownPrefix is where syncer keeps its own keys at a target.
const ownPrefix = "/syncer/"

// Contained makes sure that nothing outside the mapped selection and syncer's
// own prefix is written or deleted.
func Contained(c Case) error {
	for _, rev := range c.Target.Revs {
		if c.local(rev.Revision) {
			continue
		}
		for _, e := range rev.Events {
			if e.Key == c.CursorKey || strings.HasPrefix(e.Key, ownPrefix) || c.Selection.Owns(e.Key) {
				continue
			}
			verb := "written"
			if e.Delete {
				verb = "deleted"
			}
			return fmt.Errorf("contained: target revision %d: key %q outside the selection is %s", rev.Revision, e.Key, verb)
		}
	}
	return nil
}
