package change

import (
	"bytes"
	"fmt"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// Marks is a set of places in a list, as bits: the first place is the lowest
// bit of the first byte. It may be shorter than the list.
type Marks []byte

// NewMarks is an empty set of places in a list of n.
func NewMarks(n int) Marks { return make(Marks, (n+7)/8) }

// Set adds a place. It must be below the n that the set was made for.
func (m Marks) Set(i int) { m[i/8] |= 1 << (i % 8) }

// Has reports whether a place is in the set.
func (m Marks) Has(i int) bool { return i/8 < len(m) && m[i/8]&(1<<(i%8)) != 0 }

// Count is how many places are in the set.
func (m Marks) Count() int {
	n := 0
	for _, b := range m {
		n += bits.OnesCount8(b)
	}
	return n
}

var (
	findingShape = shape{message: "finding", numbers: setOf(3, 4, 5), bytes: setOf(1, 2, 6, 7, 8), repeated: setOf(6)}
	commandShape = shape{message: "command", bytes: setOf(1), required: setOf(1)}
)

// EncodeFinding is the raw body of a finding.
func EncodeFinding(f Finding) []byte {
	b := appendBytes(nil, 1, f.Range.Lo)
	b = appendBytes(b, 2, f.Range.Hi)
	b = appendUint(b, 3, f.Count)
	b = appendUint(b, 4, f.Put)
	b = appendUint(b, 5, f.Bytes)
	for _, key := range f.Keys {
		b = appendMessage(b, 6, appendBytes(nil, 1, key))
	}
	b = appendBytes(b, 7, f.Gone)
	return appendBytes(b, 8, f.KeyPrints)
}

// DecodeFinding reads the raw body of a finding. It refuses keys outside its
// range or out of order, and more of them than it counts. Keys share memory
// with raw.
func DecodeFinding(raw []byte) (Finding, error) {
	var f Finding
	err := findingShape.each(raw, func(num protowire.Number, v value) error {
		switch num {
		case 1:
			f.Range.Lo = v.bytes
		case 2:
			f.Range.Hi = v.bytes
		case 3:
			f.Count = v.num
		case 4:
			f.Put = v.num
		case 5:
			f.Bytes = v.num
		case 6:
			kv, err := decodeKV(v.bytes)
			if err == nil && len(kv.Value) > 0 {
				err = fmt.Errorf("%w: key %q of a finding has a value", ErrMalformed, kv.Key)
			}
			f.Keys = append(f.Keys, kv.Key)
			return err
		case 7:
			f.Gone = v.bytes
		case 8:
			f.KeyPrints = v.bytes
		}
		return nil
	})
	if err != nil {
		return Finding{}, err
	}
	if f.Put > f.Count || uint64(len(f.Keys)) > f.Put {
		return Finding{}, fmt.Errorf("%w: finding of %d keys, %d to put, names %d", ErrMalformed, f.Count, f.Put, len(f.Keys))
	}
	for i, key := range f.Keys {
		if !f.Range.Contains(key) || (i > 0 && bytes.Compare(f.Keys[i-1], key) >= 0) {
			return Finding{}, fmt.Errorf("%w: key %q out of place in finding %v", ErrMalformed, key, f.Range)
		}
	}
	return f, nil
}

// EncodeCommand is the raw body of a command.
func EncodeCommand(json []byte) []byte { return appendMessage(nil, 1, json) }

// DecodeCommand reads the raw body of a command. The result shares memory with
// raw.
func DecodeCommand(raw []byte) ([]byte, error) {
	var json []byte
	err := commandShape.each(raw, func(_ protowire.Number, v value) error {
		json = v.bytes
		return nil
	})
	return json, err
}
