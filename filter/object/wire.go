package object

import (
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages that are read without decoding them. Metadata
// is field 1 of every kind.
const (
	unknownTypeMeta        = 1
	unknownRaw             = 2
	unknownContentEncoding = 3

	typeMetaAPIVersion = 1
	typeMetaKind       = 2

	objectMeta = 1

	metaName              = 1
	metaNamespace         = 3
	metaUID               = 5
	metaDeletionTimestamp = 9
	metaLabels            = 11
	metaAnnotations       = 12
	metaOwnerReferences   = 13

	entryKey   = 1
	entryValue = 2

	ownerKind       = 1
	ownerName       = 3
	ownerController = 6

	secretType  = 3
	leaseSpec   = 2
	leaseHolder = 1
)

// wire walks over the fields of one protobuf message. It allocates nothing;
// what it gives lies in the message.
type wire struct {
	rest  []byte
	num   protowire.Number
	bytes []byte // of a length-delimited field
	bits  uint64 // of another field
	field []byte // the whole of it, with its tag
	bad   bool
}

// next goes to the next field; false is the end, or bad.
func (w *wire) next() bool {
	if len(w.rest) == 0 {
		return false
	}
	if w.short() {
		return true
	}
	num, typ, tag := protowire.ConsumeTag(w.rest)
	if tag < 0 {
		w.bad = true
		return false
	}
	size := 0
	w.num, w.bytes, w.bits = num, nil, 0
	switch typ {
	case protowire.BytesType:
		w.bytes, size = protowire.ConsumeBytes(w.rest[tag:])
	case protowire.VarintType:
		w.bits, size = protowire.ConsumeVarint(w.rest[tag:])
	case protowire.Fixed64Type:
		w.bits, size = protowire.ConsumeFixed64(w.rest[tag:])
	default: // no type of Kubernetes has another
		size = -1
	}
	if size < 0 {
		w.bad = true
		return false
	}
	w.field, w.rest = w.rest[:tag+size], w.rest[tag+size:]
	return true
}

// short goes to the next field when it is what most fields are: length-delimited,
// with a tag and a length of one byte each. It only saves time.
func (w *wire) short() bool {
	b := w.rest
	const bytesType = byte(protowire.BytesType)
	if len(b) < 2 || b[0]&7 != bytesType || b[0] < 8 || b[0]|b[1] >= 0x80 {
		return false
	}
	end := 2 + int(b[1])
	if len(b) < end {
		return false
	}
	w.num, w.bits = protowire.Number(b[0]>>3), 0
	w.bytes, w.field, w.rest = b[2:end:end], b[:end:end], b[end:]
	return true
}

// text is b as a string without a copy. What holds the string holds the value
// that it lies in, which nobody writes to.
func text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}
