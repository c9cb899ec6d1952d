package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/syncer-io/syncer/conflict"
)

// Record is one conflict of one key.
type Record struct {
	// ID grows with every record of a file; Append gives it. From 1.
	ID   uint64    `json:"id"`
	Time time.Time `json:"time"` // when it was found
	Key  []byte    `json:"key"`  // as delivered

	Type    conflict.Type    `json:"type"`
	Policy  conflict.Policy  `json:"policy"`
	Rule    string           `json:"rule,omitempty"` // its name
	Outcome conflict.Outcome `json:"outcome"`
	// Fields are those that both changed, of which the source's was taken; Kept
	// those left to the edge.
	Fields []string `json:"fields,omitempty"`
	Kept   []string `json:"kept,omitempty"`
	Reason string   `json:"reason,omitempty"`

	Base   Value `json:"base"`
	Edge   Value `json:"edge"`
	Source Value `json:"source"`

	// Meeting: it was decided when the source's change came to what the edge had
	// made of the key before; else when the edge's was seen.
	Meeting bool `json:"meeting,omitempty"`
	// SourceRevision is of the source's change, LocalRevision of the edge's; 0
	// when there is none, or it is not known.
	SourceRevision int64 `json:"sourceRevision,omitempty"`
	LocalRevision  int64 `json:"localRevision,omitempty"`
	// By is who changed it at the edge, as far as the edge tells.
	By string `json:"by,omitempty"`
	// Group is the source revision of the change of several keys that the key
	// was part of; 0: it was alone.
	Group int64 `json:"group,omitempty"`

	// Open: somebody has to decide. Resolved is how it was, once it was.
	Open     bool        `json:"open,omitempty"`
	Resolved *Resolution `json:"resolved,omitempty"`
}

// Quiet reports whether the record is of no conflict and asks nothing of anybody:
// the edge changed nothing but fields that are left to it. It tells what was
// replicated last.
func (r Record) Quiet() bool { return !r.Type.Conflict() && !r.Open && r.Resolved == nil }

// Resolution says how somebody decided.
type Resolution struct {
	How  string    `json:"how"` // source, edge, file, restore=17, ...
	Time time.Time `json:"time"`
}

// Value is what a key had.
type Value struct {
	// Unknown: nobody knows what it had. Else it was there or not.
	Unknown bool `json:"unknown,omitempty"`
	Present bool `json:"present,omitempty"`
	// Bytes are the value, or its beginning when Truncated.
	Bytes     []byte `json:"bytes,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
	// Size is of the whole value, in bytes, Hash its SHA-256 in hex.
	Size int    `json:"size,omitempty"`
	Hash string `json:"hash,omitempty"`
}

// Of is a value as a record has it, before it is bounded.
func Of(v conflict.Value) Value {
	if !v.Present {
		return Value{}
	}
	hash := sha256.Sum256(v.Bytes)
	return Value{Present: true, Bytes: v.Bytes, Size: len(v.Bytes), Hash: hex.EncodeToString(hash[:])}
}

// Same reports whether two values are known to be equal.
func (v Value) Same(w Value) bool {
	return !v.Unknown && !w.Unknown && v.Present == w.Present && v.Size == w.Size && v.Hash == w.Hash
}

// Value is what the key had, when all of it is known.
func (v Value) Value() (whole conflict.Value, ok bool) {
	return conflict.Value{Present: v.Present, Bytes: v.Bytes}, !v.Unknown && !v.Truncated && len(v.Bytes) == v.Size
}

// Bounds of what is told about a record.
const (
	maxFields = 64
	maxText   = 4 << 10 // bytes of one text
)

// bounded cuts what could be of any size.
func (r Record) bounded(maxValue int) Record {
	for _, v := range []*Value{&r.Base, &r.Edge, &r.Source} {
		if len(v.Bytes) > maxValue {
			v.Bytes, v.Truncated = v.Bytes[:maxValue], true
		}
	}
	for _, list := range []*[]string{&r.Fields, &r.Kept} {
		*list = boundedList(*list)
	}
	for _, text := range []*string{&r.Rule, &r.Reason, &r.By} {
		*text = boundedText(*text)
	}
	return r
}

func boundedList(list []string) []string {
	var out []string
	for i, s := range list {
		if i == maxFields {
			return append(out, fmt.Sprintf("and %d more", len(list)-i))
		}
		out = append(out, boundedText(s))
	}
	return out
}

func boundedText(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// bare is the record without the bytes of its values.
func (r Record) bare() Record {
	r.Base.Bytes, r.Edge.Bytes, r.Source.Bytes = nil, nil, nil
	return r
}

// A stored record is a byte for the format, the checksum of the rest, and JSON.
const (
	recordFormat = 1
	recordHeader = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeRecord(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the record of %q: %w", r.Key, err)
	}
	out := make([]byte, recordHeader, recordHeader+len(text))
	out[0] = recordFormat
	binary.BigEndian.PutUint32(out[1:], crc32.Checksum(text, castagnoli))
	return append(out, text...), nil
}

// checkRecord says whether the bytes are a record as it was written.
func checkRecord(b []byte) error {
	switch {
	case len(b) < recordHeader:
		return errors.New("a record is too short")
	case b[0] != recordFormat:
		return fmt.Errorf("a record has format %d, this version knows %d", b[0], recordFormat)
	case crc32.Checksum(b[recordHeader:], castagnoli) != binary.BigEndian.Uint32(b[1:]):
		return errors.New("the checksum of a record is wrong")
	}
	return nil
}

func decodeRecord(id uint64, b []byte) (Record, error) {
	if err := checkRecord(b); err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(b[recordHeader:], &r); err != nil {
		return Record{}, fmt.Errorf("decode record %d: %w", id, err)
	}
	if r.ID != id {
		return Record{}, fmt.Errorf("record %d is stored as %d", r.ID, id)
	}
	return r, nil
}
