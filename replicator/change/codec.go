package change

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is the parent of every error about bytes that are not a frame.
var ErrMalformed = errors.New("malformed frame")

// FormatError tells that a frame has a format that this program does not know.
// The reader stops: a frame that is not understood is never skipped.
type FormatError struct{ Format uint64 }

func (e *FormatError) Error() string {
	return fmt.Sprintf("frame has wire format %d, this program reads format %d: upgrade it", e.Format, Format)
}

// Field numbers of message Frame in frame.proto.
const (
	frameFormat   = 1
	frameKind     = 2
	frameChannel  = 3
	frameLineage  = 4
	framePrev     = 5
	framePrevHash = 6
	frameFirst    = 7
	frameLast     = 8
	framePart     = 9
	frameParts    = 10
	frameSent     = 11
	frameWriter   = 12
	frameRequest  = 13
	frameOpen     = 14
	frameBody     = 15
)

var frameShape = shape{
	message: "frame",
	numbers: setOf(frameFormat, frameKind, framePrev, frameFirst, frameLast, framePart, frameParts, frameSent, frameOpen),
	bytes:   setOf(frameChannel, frameLineage, framePrevHash, frameWriter, frameRequest, frameBody),
}

// EncodeFrame is the message for f. The body comes last, so that the header of
// a message can be read from its first bytes.
func EncodeFrame(f Frame) []byte {
	b := make([]byte, 0, 256+len(f.Body))
	b = appendUint(b, frameFormat, Format)
	b = appendUint(b, frameKind, uint64(f.Kind))
	b = appendText(b, frameChannel, f.Channel)
	b = appendBytes(b, frameLineage, f.Lineage[:])
	b = appendUint(b, framePrev, uint64(f.Prev))
	if !f.PrevHash.IsZero() {
		b = appendBytes(b, framePrevHash, f.PrevHash[:])
	}
	b = appendUint(b, frameFirst, uint64(f.First))
	b = appendUint(b, frameLast, uint64(f.Last))
	b = appendUint(b, framePart, uint64(f.Part))
	b = appendUint(b, frameParts, uint64(f.Parts))
	b = appendUint(b, frameSent, uint64(f.Sent.UnixMicro()))
	b = appendText(b, frameWriter, f.Writer)
	b = appendText(b, frameRequest, f.Request)
	b = appendUint(b, frameOpen, boolNum(f.Open))
	return appendBytes(b, frameBody, f.Body)
}

// DecodeFrame reads a message. The frame shares memory with it. Errors are
// ErrMalformed, or a *FormatError for a format from the future, of which
// nothing but the format is read. No part of a frame comes with an error.
func DecodeFrame(message []byte) (Frame, error) {
	f := Frame{Sent: time.UnixMicro(0).UTC()}
	format := uint64(0)
	err := frameShape.each(message, func(num protowire.Number, v value) error {
		switch {
		case num == frameFormat && v.num != 0:
			format = v.num
			if format != Format {
				return &FormatError{Format: format}
			}
			return nil
		case format == 0:
			return fmt.Errorf("%w: field %d before the format", ErrMalformed, num)
		}
		return f.set(num, v)
	})
	if err == nil {
		err = f.check(format)
	}
	if err != nil {
		return Frame{}, err
	}
	return f, nil
}

func (f *Frame) set(num protowire.Number, v value) error {
	switch num {
	case frameKind:
		f.Kind = Kind(min(v.num, math.MaxUint8))
	case frameChannel:
		return v.text(&f.Channel, "channel")
	case frameLineage:
		return v.into(f.Lineage[:], "lineage")
	case framePrev:
		f.Prev = int64(v.num)
	case framePrevHash:
		return v.into(f.PrevHash[:], "previous hash")
	case frameFirst:
		f.First = int64(v.num)
	case frameLast:
		f.Last = int64(v.num)
	case framePart:
		f.Part = uint32(min(v.num, math.MaxUint32))
	case frameParts:
		f.Parts = uint32(min(v.num, math.MaxUint32))
	case frameSent:
		f.Sent = time.UnixMicro(int64(v.num)).UTC()
	case frameWriter:
		return v.text(&f.Writer, "writer")
	case frameRequest:
		return v.text(&f.Request, "request")
	case frameOpen:
		f.Open = v.num != 0
	case frameBody:
		f.Body = v.bytes
	}
	return nil
}

func (f *Frame) check(format uint64) error {
	switch {
	case format == 0:
		return fmt.Errorf("%w: no format", ErrMalformed)
	case f.Kind < KindChanges || f.Kind > KindFinding:
		return fmt.Errorf("%w: unknown %v", ErrMalformed, f.Kind)
	case f.Channel == "" || f.Lineage.IsZero():
		return fmt.Errorf("%w: no channel or no lineage", ErrMalformed)
	case f.Parts < 1 || f.Parts > MaxParts || f.Part >= f.Parts:
		return fmt.Errorf("%w: part %d of %d, at most %d", ErrMalformed, f.Part, f.Parts, MaxParts)
	case f.Prev < 0 || f.First < 0 || f.Last < f.First:
		return fmt.Errorf("%w: revisions %d to %d after %d", ErrMalformed, f.First, f.Last, f.Prev)
	case f.Kind.Chained() && f.Last < f.Prev && f.Kind != KindReset:
		return fmt.Errorf("%w: goes back from %d to %d", ErrMalformed, f.Prev, f.Last)
	}
	return nil
}
