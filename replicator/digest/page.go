package digest

import (
	"bytes"
	"fmt"

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

// Difference is a key range whose content differs from the page.
type Difference struct {
	Range change.Range
	Bytes uint64 // what the source holds in it
	Count uint64
}

// Comparison compares items, given in key order, with a page.
type Comparison struct {
	page  []change.PageRange
	at    int
	open  Digest
	last  []byte
	total Digest
	diffs []Difference
}

// Compare starts a comparison with a page as DecodePage returns it: its ranges
// follow one another and the last one has no end.
func Compare(page []change.PageRange) *Comparison {
	return &Comparison{page: page}
}

// Add gives the next item, in key order.
func (c *Comparison) Add(key []byte, item Sum) error {
	if c.last != nil && bytes.Compare(c.last, key) >= 0 {
		return fmt.Errorf("compare with the digest page: key %q after %q", key, c.last)
	}
	c.last = append(c.last[:0], key...)
	for len(c.page[c.at].Hi) != 0 && bytes.Compare(key, c.page[c.at].Hi) >= 0 {
		c.next()
	}
	c.open.Add(item)
	c.total.Add(item)
	return nil
}

func (c *Comparison) next() {
	r := c.page[c.at]
	if r.Count != c.open.Count || r.Digest != c.open.Short() {
		var lo []byte
		if c.at > 0 {
			lo = c.page[c.at-1].Hi
		}
		c.diffs = append(c.diffs, Difference{Range: change.Range{Lo: lo, Hi: r.Hi}, Bytes: r.Bytes, Count: r.Count})
	}
	c.open = Digest{}
	c.at++
}

// Finish gives the ranges that differ, in key order, and the digest of all
// that was added.
func (c *Comparison) Finish() ([]Difference, Digest) {
	for c.at < len(c.page) {
		c.next()
	}
	return c.diffs, c.total
}

// joins reports whether next starts where d ends and both hold at most size
// bytes. The byte counts come from the wire: their sum may not overflow.
func (d Difference) joins(next Difference, size uint64) bool {
	return len(d.Range.Hi) != 0 && bytes.Equal(d.Range.Hi, next.Range.Lo) &&
		d.Bytes <= size && next.Bytes <= size-d.Bytes
}

// Coalesce joins neighbouring differences while they hold at most size bytes
// together, so that few requests carry many small ranges.
func Coalesce(diffs []Difference, size uint64) []Difference {
	var out []Difference
	for _, d := range diffs {
		if n := len(out); n > 0 && out[n-1].joins(d, size) {
			out[n-1].Range.Hi = d.Range.Hi
			out[n-1].Bytes += d.Bytes
			out[n-1].Count += d.Count
			continue
		}
		out = append(out, d)
	}
	return out
}
