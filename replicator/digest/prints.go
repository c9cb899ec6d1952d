package digest

import (
	"encoding/binary"

	"github.com/syncer-io/syncer/replicator/change"
)

// PrintSize is the length of a print, PrintSlots how many different prints an
// item has.
const (
	PrintSize  = 4
	PrintSlots = len(Sum{}) / PrintSize
)

// Prints are items by a few bytes of each, so that one side can say what it
// holds in a range for a hundredth of what it would cost to send it. Which
// bytes of an item's hash is the slot. Two items share a print once in 2^32
// pairs; a comparison that was misled by that fails, and is made again with
// another slot, whose prints have nothing to do with the first.
type Prints []byte

// Append adds an item.
func (p Prints) Append(item Sum, slot int) Prints {
	at := slot % PrintSlots * PrintSize
	return append(p, item[at:at+PrintSize]...)
}

// Len is how many items there are.
func (p Prints) Len() int { return len(p) / PrintSize }

// Known says which items of this side are among the prints of the other side,
// and which prints are of none. One goroutine uses it.
type Known struct {
	slot   int
	prints Prints
	places map[uint32]int // of the first item with a print, from 1
	seen   change.Marks
}

// NewKnown takes the prints of the other side. What is left over of an
// incomplete print is ignored.
func NewKnown(prints Prints, slot int) *Known {
	k := &Known{slot: slot, prints: prints, places: make(map[uint32]int, prints.Len()), seen: change.NewMarks(prints.Len())}
	for i := range prints.Len() {
		p := k.print(i)
		if _, twice := k.places[p]; !twice {
			k.places[p] = i + 1
		}
	}
	return k
}

func (k *Known) print(i int) uint32 { return binary.BigEndian.Uint32(k.prints[i*PrintSize:]) }

// Has reports whether the other side holds the item, and notes it.
func (k *Known) Has(item Sum) bool {
	at := k.slot % PrintSlots * PrintSize
	i := k.places[binary.BigEndian.Uint32(item[at:])]
	if i > 0 {
		k.seen.Set(i - 1)
	}
	return i > 0
}

// Gone marks the prints of which no item was seen.
func (k *Known) Gone() change.Marks {
	gone := change.NewMarks(k.prints.Len())
	for i := range k.prints.Len() {
		if !k.seen.Has(k.places[k.print(i)] - 1) {
			gone.Set(i)
		}
	}
	return gone
}

// Kept is what the other side still holds of this side's prints: those that
// gone does not mark. It reports whether an item is one of them.
func Kept(prints Prints, slot int, gone change.Marks) func(item Sum) bool {
	kept := make(map[uint32]struct{}, prints.Len())
	for i := range prints.Len() {
		if !gone.Has(i) {
			kept[binary.BigEndian.Uint32(prints[i*PrintSize:])] = struct{}{}
		}
	}
	at := slot % PrintSlots * PrintSize
	return func(item Sum) bool {
		_, ok := kept[binary.BigEndian.Uint32(item[at:])]
		return ok
	}
}
