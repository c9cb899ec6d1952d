package importer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

// resolvable fails a task that decides about what it cannot: before anything is
// written.
func (a *applier) resolvable(t *task, value *conflict.Value) error {
	for _, key := range t.command.Keys {
		if !a.selects(key) {
			t.shown.Reason, t.shown.Try = fmt.Sprintf("key %q is not replicated to this edge", key), "syncer policy explain"
			return nil
		}
		if err := a.decidable(t, key, value != nil); err != nil || t.shown.Reason != "" {
			return err
		}
		if t.command.Take == command.TakeEdge {
			continue
		}
		no, err := a.unwantedHere(key, value)
		if err != nil {
			return err
		}
		if no != nil {
			t.shown.Reason, t.shown.Try = fmt.Sprintf("key %q: %s", key, no.what), no.try
			return nil
		}
	}
	return nil
}

// decidable fails a task about a key that is not in conflict, or that waits with
// others that are not named. A value can be given for every key on record.
func (a *applier) decidable(t *task, key []byte, given bool) error {
	k := a.parked.keys[string(key)]
	if k != nil && status.Local(k.group.Why) {
		t.shown.Reason, t.shown.Try = half(t.command, k)
		return nil
	}
	if open, err := a.isOpen(key); open || err != nil {
		return err // it was carried out, and the importer ended before it was noted
	}
	t.shown.Reason, t.shown.Try = fmt.Sprintf("key %q is not in conflict: there is nothing to decide", key), "syncer conflicts list"
	if !given {
		return nil
	}
	_, found, err := a.im.ledger.Last(key)
	if err != nil {
		return fmt.Errorf("look up what is on record of key %q: %w", key, err)
	}
	if found {
		t.shown.Reason, t.shown.Try = "", ""
	} else {
		t.shown.Reason = fmt.Sprintf("key %q is not on record: nobody at the edge changed it", key)
	}
	return nil
}

// half is why a command would carry out half of a change of several keys, and
// what to do; "" when it would not.
func half(c command.Command, k *parkedKey) (reason, try string) {
	all := k.group.stored().Keys
	var words, left []string
	for _, o := range all {
		words = append(words, shellWord(o.Key))
		if !slices.ContainsFunc(c.Keys, func(key []byte) bool { return string(key) == string(o.Key) }) {
			left = append(left, fmt.Sprintf("%q", o.Key))
		}
	}
	if len(left) == 0 {
		return "", ""
	}
	reason = fmt.Sprintf("key %q waits with %d others of one change, which are not named: %s", k.Key, len(left), strings.Join(left[:min(len(left), mostNamed)], ", "))
	if len(left) > mostNamed {
		reason += fmt.Sprintf(" and %d more", len(left)-mostNamed)
	}
	take, then := c.Take, ""
	if take == command.TakeValue || take == command.TakeRecord {
		take, then = command.TakeEdge, ", and then this command again"
	}
	try = fmt.Sprintf("syncer conflicts resolve %s --take %s%s", strings.Join(words, " "), take, then)
	switch {
	case len(all) > command.MaxKeys:
		try = "give their rules another conflict policy: they are too many for one command"
	case len(try) > mostTry:
		try = fmt.Sprintf("name all %d keys, with --take %s%s: syncer conflicts list --open -o json", len(all), take, then)
	}
	return reason, try
}

// Bounds of what a failed task says: a report is bounded.
const (
	mostNamed = 10
	mostTry   = 4 << 10
)

// shellWord is a key as one word of a command line.
func shellWord(key []byte) string {
	word := string(key)
	if !strings.ContainsAny(word, " \t\n\"'`$\\*?[]{}()<>|&;!#~") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func howElse(key []byte) string {
	return "syncer conflicts resolve " + shellWord(key) + " --take edge"
}

// unwantedHere is why the edge does not accept what a key shall get, nil when it
// does. Of what only a comparison will bring, the key tells.
func (a *applier) unwantedHere(key []byte, value *conflict.Value) (*unwanted, error) {
	if value != nil {
		return a.im.cfg.Accept.refuses(changeTo(key, *value)), nil
	}
	v, known, err := a.lastReplicated(key, never)
	if err != nil || !known {
		v = conflict.Value{}
	}
	return a.im.cfg.Accept.refuses(changeTo(key, v)), err
}

// resolved has on record how somebody decided about a key: in the records that
// are open, or in one of its own, which say completes.
func (a *applier) resolved(key []byte, how string, say func(*ledger.Record)) error {
	if open, err := a.isOpen(key); err != nil {
		return err
	} else if open {
		return a.settled(key, how)
	}
	last, found, err := a.im.ledger.Last(key)
	if err != nil {
		return fmt.Errorf("look up what is on record of key %q: %w", key, err)
	}
	now := time.Now().UTC()
	r := ledger.Record{
		Time: now, Key: key, Type: last.Type, Policy: a.conflictRule(key).Policy, Rule: last.Rule, Reason: "somebody decided",
		Base: last.Base, Edge: last.Edge, Source: last.Source, SourceRevision: a.position, LocalRevision: last.LocalRevision, By: last.By,
		Resolved: &ledger.Resolution{How: how, Time: now},
	}
	if !found {
		r.Base, r.Edge, r.Source = ledger.Value{Unknown: true}, ledger.Value{Unknown: true}, ledger.Value{Unknown: true}
	}
	if r.Type == conflict.Clean {
		r.Type = conflict.UpdateDirty
	}
	say(&r)
	a.notes = append(a.notes, r)
	return a.keepNotes()
}
