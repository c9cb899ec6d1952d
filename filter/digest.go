package filter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/syncer-io/syncer/replicator/change"
)

// digestFormat is hashed first, so that another way to describe a mapping can
// never give an old digest.
const digestFormat = "syncer selection 1"

// stretch is the longest source range over which one prefix swap holds. The
// swap is reduced: its two prefixes have no common ending. A mapping has one
// list of stretches only, whatever rules produced it.
type stretch struct {
	source   change.Range
	from, to []byte
}

// digest hashes the stretches of ranges that are sorted by source.
func digest(ranges []RuleRange) string {
	h := sha256.New()
	field(h, []byte(digestFormat))
	for _, s := range stretches(ranges) {
		field(h, s.source.Lo)
		field(h, s.source.Hi)
		field(h, s.from)
		field(h, s.to)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func stretches(ranges []RuleRange) []stretch {
	var out []stretch
	for _, r := range ranges {
		next := stretch{source: r.Source}
		next.from, next.to = reduce(r.SourcePrefix, r.TargetPrefix)
		if n := len(out); n > 0 && out[n-1].continues(next) {
			out[n-1].source.Hi = next.source.Hi
			continue
		}
		out = append(out, next)
	}
	return out
}

func (s stretch) continues(next stretch) bool {
	return len(s.source.Hi) != 0 && bytes.Equal(s.source.Hi, next.source.Lo) &&
		bytes.Equal(s.from, next.from) && bytes.Equal(s.to, next.to)
}

// reduce drops the common ending of two prefixes: swapping /a/x for /b/x is
// swapping /a for /b.
func reduce(from, to []byte) ([]byte, []byte) {
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	return from, to
}

// field writes b with its length, so that fields cannot run into each other.
func field(h hash.Hash, b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	_, _ = h.Write(n[:]) // a hash never fails to write
	_, _ = h.Write(b)
}
