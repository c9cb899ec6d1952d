package change

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of frame.proto that a body is made of.
var (
	changesShape   = shape{message: "changes", bytes: setOf(1), repeated: setOf(1), required: setOf(1)}
	changesetShape = shape{message: "changeset", numbers: setOf(1, 2), bytes: setOf(3), repeated: setOf(3)}
	changeShape    = shape{message: "change", numbers: setOf(1), bytes: setOf(2, 3)}
	stateShape     = shape{message: "state", numbers: setOf(1, 2, 4, 7), bytes: setOf(3, 5, 6), required: setOf(3)}
	pageShape      = shape{message: "page", bytes: setOf(1), repeated: setOf(1), required: setOf(1)}
	pageRangeShape = shape{message: "page range", numbers: setOf(2, 4), bytes: setOf(1, 3), required: setOf(3)}
	chunkShape     = shape{message: "chunk", numbers: setOf(4), bytes: setOf(1, 2, 3, 5), repeated: setOf(3)}
	kvShape        = shape{message: "key and value", bytes: setOf(1, 2)}
)

// EncodeChanges is the raw body of a KindChanges frame.
func EncodeChanges(sets []Changeset) []byte {
	size := 0
	for _, s := range sets {
		size += s.Size() + 16*len(s.Changes) + 24
	}
	b := make([]byte, 0, size)
	for _, s := range sets {
		b = AppendChangeset(b, s)
	}
	return b
}

// AppendChangeset adds one changeset to the raw body of a KindChanges frame.
func AppendChangeset(b []byte, s Changeset) []byte {
	inner := sizeUint(1, uint64(s.Revision)) + sizeUint(2, boolNum(s.Partial))
	for _, c := range s.Changes {
		inner += protowire.SizeTag(3) + protowire.SizeBytes(sizeChange(c))
	}
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(inner))
	b = appendUint(b, 1, uint64(s.Revision))
	b = appendUint(b, 2, boolNum(s.Partial))
	for _, c := range s.Changes {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeChange(c)))
		b = appendUint(b, 1, uint64(c.Op))
		b = appendBytes(b, 2, c.Key)
		b = appendBytes(b, 3, c.Value)
	}
	return b
}

func sizeChange(c Change) int {
	return sizeUint(1, uint64(c.Op)) + sizeBytes(2, c.Key) + sizeBytes(3, c.Value)
}

func boolNum(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// DecodeChanges reads the raw body of a KindChanges frame. It refuses
// changesets out of order and a key that stands twice in one of them. Keys and
// values share memory with raw.
func DecodeChanges(raw []byte) ([]Changeset, error) {
	var sets []Changeset
	err := changesShape.each(raw, func(_ protowire.Number, v value) error {
		s, err := decodeChangeset(v.bytes)
		if n := len(sets); err == nil && n > 0 && !follows(sets[n-1], s) {
			err = fmt.Errorf("%w: changeset at revision %d after %d", ErrMalformed, s.Revision, sets[n-1].Revision)
		}
		sets = append(sets, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sets, nil
}

// follows reports whether next may stand behind prev: at the same revision
// when prev is a part of it, at a later one otherwise.
func follows(prev, next Changeset) bool {
	if prev.Partial {
		return next.Revision == prev.Revision
	}
	return next.Revision > prev.Revision
}

func decodeChangeset(b []byte) (Changeset, error) {
	var s Changeset
	err := changesetShape.each(b, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			s.Revision = int64(v.num)
		case 2:
			s.Partial = v.num != 0
		case 3:
			c, err := decodeChange(v.bytes)
			s.Changes = append(s.Changes, c)
			return err
		}
		return nil
	})
	if err == nil && s.Revision <= 0 {
		err = fmt.Errorf("%w: changeset at revision %d", ErrMalformed, s.Revision)
	}
	if err == nil {
		if key, twice := repeatedKey(s.Changes); twice {
			err = fmt.Errorf("%w: key %q twice at revision %d", ErrMalformed, key, s.Revision)
		}
	}
	return s, err
}

// repeatedKey finds a key that stands more than once. Large changesets come
// from range deletes and leases and are in key order: they cost one pass.
func repeatedKey(changes []Change) ([]byte, bool) {
	if keysAscend(changes) {
		return nil, false
	}
	keys := make([][]byte, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
	}
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return keys[i], true
		}
	}
	return nil, false
}

func keysAscend(changes []Change) bool {
	for i := 1; i < len(changes); i++ {
		if bytes.Compare(changes[i-1].Key, changes[i].Key) >= 0 {
			return false
		}
	}
	return true
}

func decodeChange(b []byte) (Change, error) {
	var c Change
	err := changeShape.each(b, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			c.Op = Op(min(v.num, math.MaxUint8))
		case 2:
			c.Key = v.bytes
		case 3:
			c.Value = v.bytes
		}
		return nil
	})
	switch {
	case err != nil:
		return c, err
	case c.Op != Put && c.Op != Delete:
		return c, fmt.Errorf("%w: operation %d on key %q", ErrMalformed, c.Op, c.Key)
	case len(c.Key) == 0:
		return c, fmt.Errorf("%w: change without a key", ErrMalformed)
	case c.Op == Delete && len(c.Value) != 0:
		return c, fmt.Errorf("%w: delete of key %q with a value", ErrMalformed, c.Key)
	}
	return c, nil
}

// EncodeState is the raw body of a heartbeat or a reset.
func EncodeState(s State) []byte {
	b := appendUint(nil, 1, uint64(s.SourceRevision))
	b = appendUint(b, 2, s.Count)
	b = appendBytes(b, 3, s.Sum[:])
	b = appendUint(b, 4, s.Bytes)
	b = appendText(b, 5, s.Policy)
	b = appendText(b, 6, s.Reason)
	return appendUint(b, 7, s.Refused)
}

// DecodeState reads the raw body of a heartbeat or a reset. A state without a
// sum is refused: it would read as that of an empty channel.
func DecodeState(raw []byte) (State, error) {
	var s State
	err := stateShape.each(raw, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			s.SourceRevision = int64(v.num)
		case 2:
			s.Count = v.num
		case 3:
			return v.into(s.Sum[:], "sum")
		case 4:
			s.Bytes = v.num
		case 5:
			return v.text(&s.Policy, "policy")
		case 6:
			return v.text(&s.Reason, "reason")
		case 7:
			s.Refused = v.num
		}
		return nil
	})
	if err == nil && s.SourceRevision < 0 {
		err = fmt.Errorf("%w: state of a source at revision %d", ErrMalformed, s.SourceRevision)
	}
	if err != nil {
		return State{}, err
	}
	return s, nil
}

// EncodePage is the raw body of a digest page.
func EncodePage(ranges []PageRange) []byte {
	var b, inner []byte
	for _, r := range ranges {
		inner = appendBytes(inner[:0], 1, r.Hi)
		inner = appendUint(inner, 2, r.Count)
		inner = appendBytes(inner, 3, r.Digest[:])
		inner = appendUint(inner, 4, r.Bytes)
		b = appendMessage(b, 1, inner)
	}
	return b
}

// DecodePage reads the raw body of a digest page. It refuses ranges that do
// not follow one another or do not end beyond the last key: a hole in a page
// would hide a difference.
func DecodePage(raw []byte) ([]PageRange, error) {
	var ranges []PageRange
	err := pageShape.each(raw, func(_ protowire.Number, v value) error {
		r, err := decodePageRange(v.bytes)
		ranges = append(ranges, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, r := range ranges {
		last := i == len(ranges)-1
		if last != (len(r.Hi) == 0) || (i > 0 && !last && bytes.Compare(ranges[i-1].Hi, r.Hi) >= 0) {
			return nil, fmt.Errorf("%w: page range %d ends at %q", ErrMalformed, i, r.Hi)
		}
	}
	return ranges, nil
}

func decodePageRange(b []byte) (PageRange, error) {
	var r PageRange
	err := pageRangeShape.each(b, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			r.Hi = v.bytes
		case 2:
			r.Count = v.num
		case 3:
			return v.into(r.Digest[:], "digest")
		case 4:
			r.Bytes = v.num
		}
		return nil
	})
	return r, err
}

// EncodeChunk is the raw body of a chunk.
func EncodeChunk(c Chunk) []byte {
	size := len(c.Range.Lo) + len(c.Range.Hi) + len(c.Gone) + 24
	for _, kv := range c.KVs {
		size += len(kv.Key) + len(kv.Value) + 16
	}
	b := appendBytes(make([]byte, 0, size), 1, c.Range.Lo)
	b = appendBytes(b, 2, c.Range.Hi)
	for _, kv := range c.KVs {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeBytes(1, kv.Key)+sizeBytes(2, kv.Value)))
		b = appendBytes(b, 1, kv.Key)
		b = appendBytes(b, 2, kv.Value)
	}
	b = appendUint(b, 4, boolNum(c.Sparse))
	return appendBytes(b, 5, c.Gone)
}

// DecodeChunk reads the raw body of a chunk. It refuses keys outside the
// chunk's range, keys out of order, and marks on a chunk that is not sparse.
// Keys and values share memory with raw.
func DecodeChunk(raw []byte) (Chunk, error) {
	var kvs int
	err := chunkShape.each(raw, func(num protowire.Number, _ value) error {
		if num == 3 {
			kvs++
		}
		return nil
	})
	if err != nil {
		return Chunk{}, err
	}
	c := Chunk{KVs: slices.Grow([]KV(nil), kvs)}
	err = chunkShape.each(raw, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			c.Range.Lo = v.bytes
		case 2:
			c.Range.Hi = v.bytes
		case 3:
			kv, err := decodeKV(v.bytes)
			c.KVs = append(c.KVs, kv)
			return err
		case 4:
			c.Sparse = v.num != 0
		case 5:
			c.Gone = v.bytes
		}
		return nil
	})
	if err == nil && len(c.Gone) > 0 && !c.Sparse {
		err = fmt.Errorf("%w: marks on a chunk that is not sparse", ErrMalformed)
	}
	if err != nil {
		return Chunk{}, err
	}
	for i, kv := range c.KVs {
		if !c.Range.Contains(kv.Key) || (i > 0 && bytes.Compare(c.KVs[i-1].Key, kv.Key) >= 0) {
			return Chunk{}, fmt.Errorf("%w: key %q out of place in chunk %v", ErrMalformed, kv.Key, c.Range)
		}
	}
	return c, nil
}

func decodeKV(b []byte) (KV, error) {
	var kv KV
	err := kvShape.each(b, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			kv.Key = v.bytes
		case 2:
			kv.Value = v.bytes
		}
		return nil
	})
	if err == nil && len(kv.Key) == 0 {
		err = fmt.Errorf("%w: chunk item without a key", ErrMalformed)
	}
	return kv, err
}

func appendMessage(b []byte, num protowire.Number, inner []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), inner)
}
