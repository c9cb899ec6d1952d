package kine

import (
	"bytes"
	"unicode/utf8"

	"github.com/syncer-io/syncer/replicator/change"
)

// ownKey is where kine keeps up to where it has compacted.
var ownKey = []byte("compact_rev_key")

// lowest and highest bound the keys that are text. To kine the end of all keys,
// with which etcd asks for a range without an end, is an end like any other.
var (
	lowest  = []byte("\x01")
	highest = []byte("\U0010FFFF")
)

// unfit says why kine cannot keep a key. Its databases hold keys as text; some
// would take others, too, and be unable to move to one that does not.
func unfit(key []byte) string {
	switch {
	case bytes.Equal(key, ownKey):
		return "kine keeps its own state there"
	case !utf8.Valid(key):
		return "kine keeps keys as text, and this one is not UTF-8"
	case bytes.IndexByte(key, 0) >= 0:
		return "kine keeps keys as text, and this one has a zero byte"
	case bytes.Compare(key, lowest) < 0, bytes.Compare(key, highest) >= 0:
		return "kine cannot list it"
	}
	return ""
}

// readable are the parts of a range that hold keys which fit.
func readable(r change.Range) []change.Range {
	r = r.Intersect(change.Range{Lo: lowest, Hi: highest})
	return r.Subtract(change.Range{Lo: ownKey, Hi: append(bytes.Clone(ownKey), 0)})
}
