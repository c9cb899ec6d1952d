package digest

import (
	"hash/maphash"
	"sync"
)

// Table keeps the digest of a set of items current while they are written,
// in about 45 bytes of memory per key.
//
// It knows a key by a 64-bit hash under a seed of its own. Two keys that
// collide (once in 3,000,000,000 tables of 100,000 keys) make the digest
// wrong, never right by mistake: the comparison with the source then fails,
// the table is built anew under another seed, and the comparison holds.
//
// Several goroutines may use a Table at the same time.
type Table struct {
	seed maphash.Seed

	mu    sync.Mutex
	items sums
	total Digest
}

// NewTable is the table of the empty set.
func NewTable() *Table {
	return &Table{seed: maphash.MakeSeed(), items: newSums()}
}

// Put says that key now holds value, and gives whether it was there before.
func (t *Table) Put(key, value []byte) (had bool) { return t.PutSum(key, Item(key, value)) }

// PutSum is Put for a key whose value is not here: item is the hash of both.
func (t *Table) PutSum(key []byte, item Sum) (had bool) {
	h := maphash.Bytes(t.seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	old, had := t.items.put(h, item)
	if had {
		t.total.Remove(old)
	}
	t.total.Add(item)
	return had
}

// Delete says that key is gone, and gives whether it was there before. A key
// that was not there is no change.
func (t *Table) Delete(key []byte) (had bool) {
	h := maphash.Bytes(t.seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	old, had := t.items.remove(h)
	if had {
		t.total.Remove(old)
	}
	return had
}

// Has reports whether there is an item of the key.
func (t *Table) Has(key []byte) bool {
	h := maphash.Bytes(t.seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.items.has(h)
}

// Digest is the digest of everything in the table.
func (t *Table) Digest() Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}
