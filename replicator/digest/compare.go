package digest

import (
	"bytes"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
)

// MaxPrints bounds the prints of one difference. A range that holds more items
// on this side is cut.
const MaxPrints = 16 << 10

// Difference is a key range whose content differs from the page.
type Difference struct {
	Range  change.Range
	Bytes  uint64 // what the other side holds in it, about
	Count  uint64
	Prints Prints // what this side holds in it
}

// Options say what a comparison is about. The zero Options are everything.
type Options struct {
	// Scope limits the differences to a key range.
	Scope change.Range
	// Slot of the prints.
	Slot int
	// Full has every range differ, with no prints, that ends behind From.
	Full bool
	From []byte
}

// Whole reports whether a range that ends at hi differs whatever it holds.
func (o Options) Whole(hi []byte) bool {
	return o.Full && (len(hi) == 0 || bytes.Compare(hi, o.From) > 0)
}

// Comparison compares items, given in key order, with a page.
type Comparison struct {
	o     Options
	page  []change.PageRange
	at    int
	open  Digest
	last  []byte
	total Digest
	equal uint64

	scoped uint64 // items of the open range that lie in the scope
	prints Prints // theirs, since the last cut
	cuts   []cut
	diffs  []Difference
}

// cut ends a piece of the open range before a key.
type cut struct {
	before []byte
	prints Prints
}

// Compare starts a comparison with a page as DecodePage returns it: its ranges
// follow one another and the last one has no end.
func Compare(page []change.PageRange, o Options) *Comparison {
	return &Comparison{page: page, o: o}
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
	if c.o.Scope.Contains(key) {
		c.print(key, item)
	}
	return nil
}

// print keeps the print of an item in case the open range differs.
func (c *Comparison) print(key []byte, item Sum) {
	c.scoped++
	if c.o.Whole(c.page[c.at].Hi) {
		return
	}
	if c.prints.Len() == MaxPrints {
		c.cuts = append(c.cuts, cut{before: bytes.Clone(key), prints: c.prints})
		c.prints = nil
	}
	c.prints = c.prints.Append(item, c.o.Slot)
}

// next closes the open range.
func (c *Comparison) next() {
	r := c.page[c.at]
	if c.o.Whole(r.Hi) || r.Count != c.open.Count || r.Digest != c.open.Short() {
		c.differ(r)
		c.prints = nil
	} else {
		c.equal += c.scoped
		c.prints = c.prints[:0]
	}
	c.open, c.scoped, c.cuts = Digest{}, 0, nil
	c.at++
}

// differ notes the part of a page range that lies in the scope, in pieces of
// at most MaxPrints items of this side.
func (c *Comparison) differ(r change.PageRange) {
	whole := change.Range{Hi: r.Hi}
	if c.at > 0 {
		whole.Lo = c.page[c.at-1].Hi
	}
	whole = whole.Intersect(c.o.Scope)
	if whole.Empty() {
		return
	}
	rest, bytesLeft, countLeft := whole, r.Bytes, r.Count
	for _, cut := range c.cuts {
		c.diffs = append(c.diffs, Difference{Range: change.Range{Lo: rest.Lo, Hi: cut.before}, Prints: cut.prints, Bytes: bytesLeft, Count: countLeft})
		rest.Lo, bytesLeft, countLeft = cut.before, 0, 0
	}
	c.diffs = append(c.diffs, Difference{Range: rest, Prints: c.prints, Bytes: bytesLeft, Count: countLeft})
}

// Finish gives the ranges that differ, in key order, and the digest of all
// that was added.
func (c *Comparison) Finish() ([]Difference, Digest) {
	for c.at < len(c.page) {
		c.next()
	}
	return c.diffs, c.total
}

// Equal is how many items of the scope lie in ranges that do not differ.
func (c *Comparison) Equal() uint64 { return c.equal }

// Everything is a page as one difference for each of its ranges.
func Everything(page []change.PageRange) []Difference {
	out := make([]Difference, len(page))
	for i, r := range page {
		out[i] = Difference{Range: change.Range{Hi: r.Hi}, Bytes: r.Bytes, Count: r.Count}
		if i > 0 {
			out[i].Range.Lo = page[i-1].Hi
		}
	}
	return out
}

// joins reports whether next starts where d ends and both hold at most size
// bytes. The byte counts come from the wire: their sum may not overflow.
func (d Difference) joins(next Difference, size uint64) bool {
	return len(d.Range.Hi) != 0 && bytes.Equal(d.Range.Hi, next.Range.Lo) &&
		d.Bytes <= size && next.Bytes <= size-d.Bytes && d.Prints.Len()+next.Prints.Len() <= MaxPrints
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
			out[n-1].Prints = append(out[n-1].Prints, d.Prints...)
			continue
		}
		out = append(out, d)
	}
	return out
}
