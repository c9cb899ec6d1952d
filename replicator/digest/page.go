package digest

import (
	"bytes"

	"github.com/syncer-io/syncer/replicator/change"
)

// The size of one range of a page. A range ends at the first of the two, so
// that what a difference costs is bounded in keys and in bytes.
const (
	RangeKeys  = 64
	RangeBytes = 256 << 10
	// MaxRanges is what the page of a large channel aims at: its ranges hold
	// more keys and bytes, and however the bytes lie there are at most three
	// times as many.
	MaxRanges = 4096
)

// PageBuilder makes the digest page of a set of items that are added in key
// order.
type PageBuilder struct {
	keys   uint64
	bytes  uint64
	ranges []change.PageRange
	open   Digest
	size   uint64
}

// NewPageBuilder makes a builder for about count keys in size bytes.
func NewPageBuilder(count, size uint64) *PageBuilder {
	return &PageBuilder{
		keys:  max(RangeKeys, count/MaxRanges+1),
		bytes: max(RangeBytes, size/MaxRanges+1),
	}
}

// Add puts the next item, in key order, onto the page.
func (b *PageBuilder) Add(key []byte, item Sum, size uint64) {
	if b.open.Count >= b.keys || (b.open.Count > 0 && b.size+size > b.bytes) {
		b.close(bytes.Clone(key))
	}
	b.open.Add(item)
	b.size += size
}

func (b *PageBuilder) close(hi []byte) {
	b.ranges = append(b.ranges, change.PageRange{Hi: hi, Count: b.open.Count, Digest: b.open.Short(), Bytes: b.size})
	b.open, b.size = Digest{}, 0
}

// Ranges ends the page.
func (b *PageBuilder) Ranges() []change.PageRange {
	b.close(nil)
	return b.ranges
}
