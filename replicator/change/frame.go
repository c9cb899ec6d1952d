package change

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Format is the version of the wire form that this package reads and writes.
const Format = 1

// MaxParts is the most parts that a frame may have, so that a reader which
// joins them can bound what it keeps.
const MaxParts = 4096

// Kind says what the body of a frame is.
type Kind uint8

// The kinds of frame.
const (
	KindChanges   Kind = 1 // one or more changesets
	KindHeartbeat Kind = 2 // State: nothing at or below Last will still come
	KindReset     Kind = 3 // State: what happened before Last is not carried; compare
	KindPage      Kind = 4 // Page: the digest page one edge asked for
	KindChunk     Kind = 5 // Chunk: the complete content of one key range
	KindCommand   Kind = 6 // an operator's command to one edge
	KindFinding   Kind = 7 // Finding: what differs in one key range
)

func (k Kind) String() string {
	switch k {
	case KindChanges:
		return "changes"
	case KindHeartbeat:
		return "heartbeat"
	case KindReset:
		return "reset"
	case KindPage:
		return "page"
	case KindChunk:
		return "chunk"
	case KindCommand:
		return "command"
	case KindFinding:
		return "finding"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Chained reports whether frames of the kind are links of the channel's chain.
// The others are not: they name the link they stand behind.
func (k Kind) Chained() bool {
	return k == KindChanges || k == KindHeartbeat || k == KindReset
}

// Hash is the SHA-256 of one encoded message. The zero hash stands before the
// first message of a channel.
type Hash [sha256.Size]byte

// HashOf is the hash of an encoded message, the link that the next one names.
func HashOf(message []byte) Hash { return sha256.Sum256(message) }

// IsZero reports whether h is the hash before the first message.
func (h Hash) IsZero() bool { return h == Hash{} }

// String is the hash in hexadecimal, or "" for the zero hash.
func (h Hash) String() string {
	if h.IsZero() {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*h = Hash{}
		return nil
	}
	if len(b) != 2*len(h) {
		return fmt.Errorf("hash of %d characters, want %d", len(b), 2*len(h))
	}
	var v Hash
	if _, err := hex.Decode(v[:], b); err != nil {
		return fmt.Errorf("read a hash: %w", err)
	}
	*h = v
	return nil
}

// Head is a place in a channel's chain: where a reader stands after a message,
// and the hash of that message.
type Head struct {
	Position
	Hash Hash `json:"hash"`
}

// Frame is one message on the hub, or one part of a frame that is larger than
// a message may be.
//
// A chained frame carries Prev, where the frame before it leaves its reader,
// and PrevHash, the hash of the message before it on the channel. One that is
// not chained carries the same two of the link it stands behind.
type Frame struct {
	Kind     Kind
	Channel  string
	Lineage  Lineage
	Prev     int64
	PrevHash Hash
	First    int64
	Last     int64
	Part     uint32    // from 0
	Parts    uint32    // at least 1, at most MaxParts
	Sent     time.Time // carried in microseconds, read as UTC
	Writer   string    // exporter instance
	Request  string    // what a page, chunk or finding answers; "" on a shared page
	Open     bool      // ends within a revision: more partial changesets follow
	Body     []byte    // compressed; a slice of it when Parts > 1
}

// State is what a channel holds at a revision, as its exporter knows it.
type State struct {
	SourceRevision int64    // newest revision of the source, of any key
	Count          uint64   // keys in the channel
	Sum            [32]byte // order-free sum of their item hashes
	Bytes          uint64   // key and value bytes
	Policy         string   // digest of the selection and mapping
	Reason         string   // why, for a reset
	Refused        uint64   // objects of the source that cannot be read, and do not cross
}

// PageRange is one range of a digest page. It starts where the range before it
// ends. An empty Hi is beyond the last key.
type PageRange struct {
	Hi     []byte
	Count  uint64
	Digest [16]byte
	Bytes  uint64
}

// Chunk is the complete content of Range at the revision of its frame: KVs,
// and when it is Sparse also the items of the asker's prints that Gone does
// not mark.
type Chunk struct {
	Range  Range
	KVs    []KV
	Sparse bool
	Gone   Marks
}

// Finding is what differs in Range, at the revision of its frame, from the
// items that the asker named by their prints.
type Finding struct {
	Range Range
	Count uint64   // keys of the selection in Range
	Put   uint64   // keys whose item is in none of the prints
	Bytes uint64   // keys and values of those
	Keys  [][]byte // the first of those
	Gone  Marks
	// KeyPrints are 4 bytes of the hash of each key to put, by which an asker
	// tells a key that differs from one that only it has.
	KeyPrints []byte
}
