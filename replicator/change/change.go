package change

import (
	"bytes"
	"fmt"
)

// Op says what happened to a key.
type Op uint8

// The operations. The zero value is not an operation.
const (
	Put    Op = 1
	Delete Op = 2
)

func (o Op) String() string {
	switch o {
	case Put:
		return "put"
	case Delete:
		return "delete"
	default:
		return "unknown"
	}
}

// Change is one put or delete of one key. Key is the delivered key: the key at
// the target, after the policy's mapping. Value is empty for a delete.
type Change struct {
	Op    Op
	Key   []byte
	Value []byte
}

// Size is the number of payload bytes of the change.
func (c Change) Size() int { return len(c.Key) + len(c.Value) }

// Changeset is every change of one channel at one source revision. Keys are
// unique within a changeset.
//
// Partial is set when more changesets of the same revision follow: the reader
// does not stand at Revision until it has applied the one without the mark.
type Changeset struct {
	Revision int64
	Partial  bool
	Changes  []Change
}

// Size is the number of payload bytes of the changeset.
func (c Changeset) Size() int {
	n := 0
	for _, ch := range c.Changes {
		n += ch.Size()
	}
	return n
}

// Released is the value that says of a key that it is the target's own from now
// on: the target keeps whatever it holds there. It is what a channel holds of a
// key that left the selection and is not to be deleted, or that cannot be read
// at the source.
var Released = []byte("\x00syncer: released\x00")

// IsReleased reports whether a value is Released.
func IsReleased(value []byte) bool { return bytes.Equal(value, Released) }

// KV is one key with its value, as delivered.
type KV struct {
	Key   []byte
	Value []byte
}

// Range is the half-open key range [Lo, Hi). An empty Lo is the first key, an
// empty Hi is beyond the last one.
type Range struct {
	Lo []byte
	Hi []byte
}

// PrefixRange is the range of all keys that start with prefix.
func PrefixRange(prefix []byte) Range {
	return Range{Lo: bytes.Clone(prefix), Hi: PrefixEnd(prefix)}
}

// PrefixEnd is the first key after every key that starts with prefix, or nil
// when there is none.
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// Without is what is left of ranges when others are taken out.
func Without(ranges, others []Range) []Range {
	out := ranges
	for _, o := range others {
		var next []Range
		for _, r := range out {
			next = append(next, r.Subtract(o)...)
		}
		out = next
	}
	return out
}

// Contains reports whether key lies in the range.
func (r Range) Contains(key []byte) bool {
	return bytes.Compare(key, r.Lo) >= 0 && (len(r.Hi) == 0 || bytes.Compare(key, r.Hi) < 0)
}

// Empty reports whether no key can lie in the range.
func (r Range) Empty() bool {
	return len(r.Hi) != 0 && bytes.Compare(r.Lo, r.Hi) >= 0
}

// Intersect is the part that r and o share; it may be empty.
func (r Range) Intersect(o Range) Range {
	out := r
	if bytes.Compare(o.Lo, out.Lo) > 0 {
		out.Lo = o.Lo
	}
	if len(out.Hi) == 0 || (len(o.Hi) != 0 && bytes.Compare(o.Hi, out.Hi) < 0) {
		out.Hi = o.Hi
	}
	return out
}

// Subtract is what is left of r without o: zero, one or two ranges, none of
// them empty.
func (r Range) Subtract(o Range) []Range {
	switch {
	case r.Empty():
		return nil
	case r.Intersect(o).Empty():
		return []Range{r}
	}
	var out []Range
	if left := (Range{Lo: r.Lo, Hi: o.Lo}); len(o.Lo) != 0 && !left.Empty() {
		out = append(out, left)
	}
	if len(o.Hi) != 0 {
		if right := (Range{Lo: o.Hi, Hi: r.Hi}); !right.Empty() {
			out = append(out, right)
		}
	}
	return out
}

// String quotes the ends: keys may hold any byte, and this is printed.
func (r Range) String() string {
	return fmt.Sprintf("[%q, %q)", r.Lo, r.Hi)
}
