package source

import (
	"bytes"
	"encoding/binary"
)

// listing holds keys in order with their mod revisions, compactly: a key is
// stored as what it does not share with the one before it, so that a million
// keys of a cluster fit in some tens of megabytes.
type listing struct {
	blocks [][]byte
	last   []byte
}

// listingBlock is the size at which a block is closed. Within a block a key
// builds on the one before it; the first stands alone.
const listingBlock = 64 << 10

func (l *listing) add(key []byte, revision int64) {
	n := len(l.blocks)
	if n == 0 || len(l.blocks[n-1]) > listingBlock-len(key)-3*binary.MaxVarintLen64 {
		l.blocks = append(l.blocks, make([]byte, 0, listingBlock))
		l.last = l.last[:0]
		n++
	}
	shared := sharedPrefix(l.last, key)
	b := l.blocks[n-1]
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(key)-shared))
	b = append(b, key[shared:]...)
	l.blocks[n-1] = binary.AppendUvarint(b, uint64(revision))
	l.last = append(l.last[:shared], key[shared:]...)
}

func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// each hands the keys to fn, a block at a time, and drops each block it has
// handed over. fn may keep what it gets.
func (l *listing) each(fn func([]Item) error) error {
	for i, b := range l.blocks {
		if err := fn(unpack(b)); err != nil {
			return err
		}
		l.blocks[i] = nil
	}
	return nil
}

func unpack(b []byte) []Item {
	var items []Item
	var last []byte
	for len(b) > 0 {
		var shared, own, revision uint64
		shared, b = uvarint(b)
		own, b = uvarint(b)
		last = append(bytes.Clone(last[:shared]), b[:own]...)
		revision, b = uvarint(b[own:])
		items = append(items, Item{Key: last, ModRevision: int64(revision)})
	}
	return items
}

func uvarint(b []byte) (uint64, []byte) {
	v, n := binary.Uvarint(b)
	return v, b[n:]
}
