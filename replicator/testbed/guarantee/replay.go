package guarantee

import (
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// replay holds the source's selection at a moving revision beside the target's,
// and the keys at which they differ. Moving forward costs what changed, not
// what there is.
type replay struct {
	c       Case
	source  history.History
	lineage string
	open    bool  // source is set
	at      int64 // the source revision in want
	next    int   // index of the first source revision behind at

	want   map[string]string
	have   map[string]string
	differ map[string]struct{}
}

func newReplay(c Case) *replay {
	return &replay{c: c, have: c.owned(c.Target.Content)}
}

// target applies changes of the selection at the target.
func (r *replay) target(events []history.Event) {
	for _, e := range events {
		e.Apply(r.have)
		r.compare(e.Key)
	}
}

// follow moves the source's side to a cursor and returns the changes of the
// selection on the way, by source revision. A cursor of another lineage, or an
// earlier one, starts over and returns none.
func (r *replay) follow(to Cursor) ([]history.Rev, error) {
	if !r.open || r.lineage != to.Lineage || to.Revision < r.at {
		return nil, r.reset(to)
	}
	var passed []history.Rev
	for r.next < len(r.source.Revs) && r.source.Revs[r.next].Revision <= to.Revision {
		rev := r.source.Revs[r.next]
		r.next++
		if events := r.c.selectedEvents(rev); len(events) > 0 {
			r.apply(events)
			passed = append(passed, history.Rev{Revision: rev.Revision, Events: events})
		}
	}
	r.at = to.Revision
	return passed, r.reached(to)
}

func (r *replay) reached(to Cursor) error {
	if to.Revision > r.source.Last() {
		return fmt.Errorf("cursor %s: the source never got beyond revision %d", to, r.source.Last())
	}
	return nil
}

func (r *replay) apply(events []history.Event) {
	for _, e := range events {
		e.Apply(r.want)
		r.compare(e.Key)
	}
}

// reset rebuilds the source's side at a cursor.
func (r *replay) reset(to Cursor) error {
	source, err := r.c.source(to)
	if err != nil {
		return err
	}
	content, err := source.At(to.Revision)
	if err != nil {
		return fmt.Errorf("cursor %s: %w", to, err)
	}
	r.source, r.lineage, r.open, r.at = source, to.Lineage, true, to.Revision
	r.next = len(source.Revs) - len(source.After(to.Revision))
	r.want, r.differ = r.c.selected(content), map[string]struct{}{}
	for key := range r.want {
		r.compare(key)
	}
	for key := range r.have {
		r.compare(key)
	}
	return nil
}

// compare keeps the set of differing keys right for one key.
func (r *replay) compare(key string) {
	if !r.open {
		return
	}
	if r.equal(key) {
		delete(r.differ, key)
	} else {
		r.differ[key] = struct{}{}
	}
}

func (r *replay) equal(key string) bool {
	want, wanted := r.want[key]
	have, had := r.have[key]
	return wanted == had && want == have
}

// difference describes the first differing key, in the order of keys.
func (r *replay) difference() error {
	if len(r.differ) == 0 {
		return nil
	}
	keys := make([]string, 0, len(r.differ))
	for key := range r.differ {
		keys = append(keys, key)
	}
	key := slices.Min(keys)
	return fmt.Errorf("%d keys differ, the first is %q: source %s, target %s",
		len(keys), key, show(r.want, key), show(r.have, key))
}

// show describes a value in at most one short line.
func show(content map[string]string, key string) string {
	value, ok := content[key]
	switch {
	case !ok:
		return "has none"
	case len(value) > 40:
		return fmt.Sprintf("has %q… (%d bytes)", value[:40], len(value))
	default:
		return fmt.Sprintf("has %q", value)
	}
}
