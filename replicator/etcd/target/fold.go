package target

import (
	"bytes"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
)

// Fold makes one set of changes out of several changesets, oldest first: the
// last write of a key wins. etcd takes a key only once per transaction. The
// result is sorted by key.
func Fold(sets []change.Changeset) []change.Change {
	n := 0
	for _, s := range sets {
		n += len(s.Changes)
	}
	last := make(map[string]change.Change, n)
	for _, s := range sets {
		for _, c := range s.Changes {
			last[string(c.Key)] = c
		}
	}
	out := make([]change.Change, 0, len(last))
	for _, c := range last {
		out = append(out, c)
	}
	slices.SortFunc(out, byKey)
	return out
}

func byKey(a, b change.Change) int { return bytes.Compare(a.Key, b.Key) }

// cursorRoom is kept free in a part for the cursor and the compares.
const cursorRoom = 2 << 10

// Split cuts changes, in their order, into parts that each fit into one
// transaction together with a cursor. It is for a set that Commit finds too
// large: the parts are then applied torn, which the caller marks in the
// cursor. A single change that is too large by itself stays one part.
func (t *Target) Split(changes []change.Change) [][]change.Change {
	t.mu.RLock()
	room := max(cursorRoom, t.cursorSize()+cursorRoom/2)
	t.mu.RUnlock()
	return split(changes, max(t.limits.MaxBytes-t.overhead()-room, 1), t.written)
}

// cursorSize bounds the bytes of the next cursor by those of the last one;
// t.mu is held.
func (t *Target) cursorSize() int { return max(t.stored, 256) + 256 }

func split(changes []change.Change, room int, sizeOf func(change.Change) int) [][]change.Change {
	var parts [][]change.Change
	start, size := 0, 0
	for i, c := range changes {
		if n := sizeOf(c); size+n > room && i > start {
			parts = append(parts, changes[start:i])
			start, size = i, n
		} else {
			size += n
		}
	}
	if start < len(changes) {
		parts = append(parts, changes[start:])
	}
	return parts
}
