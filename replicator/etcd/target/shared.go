package target

import (
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// What targets that are no etcd have in common with this one.

// EncodeCursor is a cursor as it is stored. The session and the number of the
// write make it unlike every other.
func EncodeCursor(key CursorKey, c Cursor, session string, write uint64) ([]byte, error) {
	c.Format, c.Source, c.Channel = CursorFormat, key.Source, key.Channel
	return record{Cursor: c, Session: session, Write: write}.encode()
}

// DecodeCursor reads a stored cursor and the session that wrote it. One that is
// damaged, or of a later format, is an error of class Safety.
func DecodeCursor(key CursorKey, raw []byte) (c Cursor, session string, err error) {
	r, err := decodeRecord(key, raw)
	return r.Cursor, r.Session, err
}

// Lost is the error of a writer whose cursor is not the one that it insists on:
// [*Fenced], or [*Moved] when it was not found, is one of the writer's own, or
// went back.
func Lost(key fmt.Stringer, found, ours, back bool, now Cursor, modRev int64) error {
	if !found || ours || back {
		return fault.New(fault.Safety, "nothing by hand: the channel is compared with the source and repaired",
			"target cursor %s: %w", key, &Moved{Found: found, Cursor: now, ModRev: modRev})
	}
	return fault.New(fault.Safety, "stop one of the two importers of this edge; a copied machine needs its own pairing",
		"target cursor %s: %w", key, &Fenced{By: now.Owner, Cursor: now})
}

// Compare holds a chunk against what scan gives of its range, in key order: what
// Replace would change. Keys that are not ours are left alone.
func (c Chunk) Compare(ours func(key []byte) bool, scan func(fn func([]change.KV) error) error) (Replaced, error) {
	if err := c.wellFormed(); err != nil {
		return Replaced{}, err
	}
	d := &differ{want: c.Want, keep: c.Keep, refuse: c.Refuse, mine: c.Mine}
	err := scan(func(kvs []change.KV) error {
		for _, kv := range kvs {
			if ours(kv.Key) {
				d.local(kv)
			}
		}
		return nil
	})
	if err != nil {
		return Replaced{}, fmt.Errorf("compare the chunk %s: %w", c.Range, err)
	}
	d.rest(nil)
	return d.out, nil
}

// Carry does what Compare found, in parts and as Replace promises.
func (c Chunk) Carry(plan Replaced, split func([]change.Change) [][]change.Change, commit func(part []change.Change) (int64, error)) (Replaced, error) {
	done := Replaced{Unchanged: plan.Unchanged, Refused: plan.Refused, Mine: plan.Mine}
	done.Put, done.Deleted, done.Was = plan.Put[:0], plan.Deleted[:0], plan.Was[:0] // a head of the plan that grows
	if c.Hold {
		done.Deleted, plan.Deleted = plan.Deleted, nil
	}
	for _, part := range split(plan.changes()) {
		rev, err := commit(part)
		if err != nil {
			return done, fmt.Errorf("apply the chunk %s: %w", c.Range, err)
		}
		done.Revisions = append(done.Revisions, rev)
		failpoint.Hit(failpoint.ChunkPart)
		done.take(&plan, part)
	}
	return done, nil
}

// Rejected says that a target which takes objects one by one took all of a
// transaction but these, and did not write the cursor. The others have taken
// effect, and the same commit without these goes on.
type Rejected struct {
	Refused []Refused // in the order of their keys; never empty
}

func (e *Rejected) Error() string {
	first := e.Refused[0]
	if len(e.Refused) == 1 {
		return fmt.Sprintf("key %q is refused: %v", first.Key, first.Err)
	}
	return fmt.Sprintf("key %q and %d others are refused: %v", first.Key, len(e.Refused)-1, first.Err)
}

// Again is what came of parked changes that a target tried again by itself.
type Again struct {
	Taken   [][]byte // have taken effect
	Refused []Refused
	Unknown [][]byte // their values are not here
}
