package importer

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/status"
)

// closeLoose closes what is open on record about keys that do not wait: the
// importer ended between what settled them and the note of it. A command that
// waits about a key closes it by itself, and says how.
func (a *applier) closeLoose() error {
	if a.sight == nil || a.cursor.Paused {
		return nil // what was edited meanwhile is not known yet, and may wait
	}
	open, err := a.im.ledger.List(ledger.Filter{Open: true, Bare: true})
	if err != nil {
		return fmt.Errorf("look up what is open on record: %w", err)
	}
	for _, r := range open {
		if a.waits(r.Key) || a.im.orders.about(r.Key) {
			continue
		}
		if err := a.settled(r.Key, "settled when the importer ended"); err != nil {
			return err
		}
	}
	return nil
}

// waits reports whether somebody has to decide about a key.
func (a *applier) waits(key []byte) bool {
	k := a.parked.keys[string(key)]
	return k != nil && status.Local(k.group.Why) && !status.Settled(k.group.Why)
}

// isOpen reports whether a key is open on record.
func (a *applier) isOpen(key []byte) (bool, error) {
	open, err := a.im.ledger.List(ledger.Filter{Key: key, Open: true, Limit: 1, Bare: true})
	if err != nil {
		return false, fmt.Errorf("look up what is open about key %q: %w", key, err)
	}
	return len(open) > 0, nil
}

// about reports whether a command waits that names a key.
func (o *orders) about(key []byte) bool {
	for _, c := range o.all() {
		if slices.ContainsFunc(c.Keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
			return true
		}
	}
	return false
}
