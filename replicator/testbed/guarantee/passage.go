package guarantee

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/testbed/history"
)

// passage is a plain step together with the source's changesets between its
// two cursors, and the replay as it stands after the step.
type passage struct {
	step
	changesets []history.Rev
	replay     *replay
}

// passages walks all steps of a target in ordinary replication, outside of
// bootstrap and resync.
func (c Case) passages(visit func(passage) error) error {
	r := newReplay(c)
	cursor, ok, err := c.start()
	if err != nil {
		return err
	}
	if ok && cursor.whole() {
		if _, err := r.follow(cursor); err != nil {
			return err
		}
	}
	for s, err := range c.steps() {
		if err != nil {
			return err
		}
		r.target(s.data)
		if !s.hasCursor || !s.after.whole() {
			continue
		}
		changesets, err := r.follow(s.after)
		if err != nil {
			return fmt.Errorf("%s: %w", s.at(), err)
		}
		if !s.plain() || s.local {
			continue
		}
		if err := visit(passage{step: s, changesets: changesets, replay: r}); err != nil {
			return fmt.Errorf("%s: %w", s.at(), err)
		}
	}
	return nil
}

// missing counts the keys of a changeset that are not as they must be after the
// passage, and names the first. A key whose value a later changeset decides is
// judged by that value.
func (p passage) missing(set history.Rev) (count int, first string) {
	for _, e := range set.Events {
		if p.replay.equal(e.Key) {
			continue
		}
		if count == 0 || e.Key < first {
			first = e.Key
		}
		count++
	}
	return count, first
}

// Atomic makes sure that the keys of one source revision change in one target
// revision, together with the cursor: none is left behind, and none comes
// early.
func Atomic(c Case) error {
	if err := cursorWithData(c); err != nil {
		return fmt.Errorf("atomic: %w", err)
	}
	if err := c.passages(passage.torn); err != nil {
		return fmt.Errorf("atomic: %w", err)
	}
	return nil
}

func (p passage) torn() error {
	for _, set := range p.changesets {
		if n, key := p.missing(set); n > 0 && n < len(set.Events) {
			return fmt.Errorf("source revision %d is torn: %d of its %d keys are not applied, the first is %q",
				set.Revision, n, len(set.Events), key)
		}
	}
	due := p.due()
	for _, e := range p.data {
		if !due[e.Key] && !p.replay.equal(e.Key) {
			return fmt.Errorf("key %q changes although no source revision from %s to %s changes it", e.Key, p.before, p.after)
		}
	}
	return nil
}

// due is the keys that the passage's changesets touch.
func (p passage) due() map[string]bool {
	due := map[string]bool{}
	for _, set := range p.changesets {
		for _, e := range set.Events {
			due[e.Key] = true
		}
	}
	return due
}

// cursorWithData makes sure that data never changes without the cursor. While
// the cursor says that ranges are missing, chunks replace them by themselves:
// nobody may take what stands there for a state of the source.
func cursorWithData(c Case) error {
	for s, err := range c.steps() {
		if err != nil {
			return err
		}
		missing := s.hadCursor && !s.before.Consistent
		if len(s.data) > 0 && !s.moved && !s.local && !missing {
			return fmt.Errorf("%s: key %q changes without the cursor", s.at(), s.data[0].Key)
		}
	}
	return nil
}

// Once makes sure that no changeset takes effect twice and none is skipped:
// data moves the cursor forward, every key that is written was changed between
// the two cursors, and every changeset between them is there.
func Once(c Case) error {
	err := c.passages(func(p passage) error {
		if err := p.repeated(); err != nil {
			return err
		}
		return p.skipped()
	})
	if err != nil {
		return fmt.Errorf("once: %w", err)
	}
	return nil
}

func (p passage) repeated() error {
	if len(p.data) > 0 && p.after.Revision <= p.before.Revision {
		return fmt.Errorf("key %q is applied again: the cursor stays at %s", p.data[0].Key, p.after)
	}
	due := p.due()
	for _, e := range p.data {
		if !due[e.Key] {
			return fmt.Errorf("key %q is applied again: nothing changed it on the way from %s to %s", e.Key, p.before, p.after)
		}
	}
	return nil
}

func (p passage) skipped() error {
	for _, set := range p.changesets {
		if n, key := p.missing(set); n == len(set.Events) {
			return fmt.Errorf("source revision %d is skipped: key %q is not applied on the way from %s to %s",
				set.Revision, key, p.before, p.after)
		}
	}
	return nil
}

// Resumable makes sure that what is applied next always follows the cursor, be
// it after a crash or not: the cursor does not go back, and no changeset behind
// it is missing when the next one is applied.
func Resumable(c Case) error {
	if err := resumesForward(c); err != nil {
		return fmt.Errorf("resumable: %w", err)
	}
	if err := c.passages(passage.skipped); err != nil {
		return fmt.Errorf("resumable: %w", err)
	}
	return nil
}

func resumesForward(c Case) error {
	for s, err := range c.steps() {
		if err != nil {
			return err
		}
		if s.plain() && s.after.Revision < s.before.Revision {
			return fmt.Errorf("%s: the cursor resumes at %s, before %s", s.at(), s.after, s.before)
		}
	}
	return nil
}
