package change

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// shape is what a message of frame.proto holds. A field outside it, a field
// of another wire type and a second one of a field that is not repeated are
// refused: a reader that guesses would apply something nobody wrote.
type shape struct {
	message  string
	numbers  fields // varints
	bytes    fields // bytes, strings and messages
	repeated fields
	required fields // written even when they are zero
}

// fields is a set of field numbers below 32; larger ones are in no set.
type fields uint32

func setOf(nums ...protowire.Number) fields {
	var f fields
	for _, num := range nums {
		f |= 1 << num
	}
	return f
}

func (f fields) has(num protowire.Number) bool { return f&(1<<num) != 0 }

// value is one field as it stands on the wire.
type value struct {
	num   uint64
	bytes []byte
}

// each calls fn for each field of the message b, in wire order.
func (s shape) each(b []byte, fn func(protowire.Number, value) error) error {
	var seen fields
	for len(b) > 0 {
		num, v, n, err := s.consume(b)
		if err != nil {
			return err
		}
		if seen.has(num) && !s.repeated.has(num) {
			return fmt.Errorf("%w: field %d twice in %s", ErrMalformed, num, s.message)
		}
		seen |= setOf(num)
		if err := fn(num, v); err != nil {
			return err
		}
		b = b[n:]
	}
	if missing := s.required &^ seen; missing != 0 {
		return fmt.Errorf("%w: %s without field %d", ErrMalformed, s.message, bits.TrailingZeros32(uint32(missing)))
	}
	return nil
}

// consume reads the first field of b, which takes n bytes.
func (s shape) consume(b []byte) (num protowire.Number, v value, n int, err error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, v, 0, fmt.Errorf("%w: %s: %w", ErrMalformed, s.message, protowire.ParseError(n))
	}
	size := 0
	switch {
	case typ == protowire.VarintType && s.numbers.has(num):
		v.num, size = protowire.ConsumeVarint(b[n:])
	case typ == protowire.BytesType && s.bytes.has(num):
		v.bytes, size = protowire.ConsumeBytes(b[n:])
	default:
		return 0, v, 0, fmt.Errorf("%w: unknown field %d of wire type %d in %s", ErrMalformed, num, typ, s.message)
	}
	if size < 0 {
		return 0, v, 0, fmt.Errorf("%w: field %d of %s: %w", ErrMalformed, num, s.message, protowire.ParseError(size))
	}
	return num, v, n + size, nil
}

// into copies a field of fixed length.
func (v value) into(dst []byte, what string) error {
	if len(v.bytes) != len(dst) {
		return fmt.Errorf("%w: %s of %d bytes, want %d", ErrMalformed, what, len(v.bytes), len(dst))
	}
	copy(dst, v.bytes)
	return nil
}

// text copies a string. The schema allows valid UTF-8 only.
func (v value) text(dst *string, what string) error {
	if !utf8.Valid(v.bytes) {
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrMalformed, what, v.bytes)
	}
	*dst = string(v.bytes)
	return nil
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

// appendText adds a string. Bytes that are not UTF-8 become U+FFFD, so that no
// text from elsewhere (an error, a host name) makes a frame nobody can read.
func appendText(b []byte, num protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(v, "\uFFFD"))
}

func sizeUint(num protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(v)
}

func sizeBytes(num protowire.Number, v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(len(v))
}
