package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// FormatVersion is the version of the file format that this package writes.
const FormatVersion = 1

// Overhead is what a record occupies besides its payload: bbolt's element, the
// key and the checksum.
const Overhead = 16 + keySize + sumSize

const (
	keySize = 8
	sumSize = 4
)

// Record is one entry of the log.
type Record struct {
	Seq  uint64
	Data []byte
}

func recordSize(payload int) int64 { return int64(payload) + Overhead }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(name, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, data)
}

func recordKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// appendRecord appends the stored form of a record to buf.
func appendRecord(buf []byte, seq uint64, payload []byte) []byte {
	buf = binary.BigEndian.AppendUint32(buf, checksum(recordKey(seq), payload))
	return append(buf, payload...)
}

// decodeRecord gives the sequence and the payload of a stored record. The
// payload shares value's memory.
func decodeRecord(key, value []byte) (Record, error) {
	if len(key) != keySize {
		return Record{}, &CorruptError{Reason: fmt.Sprintf("a record's key has %d bytes, not %d", len(key), keySize)}
	}
	seq := binary.BigEndian.Uint64(key)
	if len(value) < sumSize {
		return Record{}, &CorruptError{Seq: seq, Reason: fmt.Sprintf("%d bytes are too few for a record", len(value))}
	}
	stored, payload := binary.BigEndian.Uint32(value), value[sumSize:]
	if sum := checksum(key, payload); sum != stored {
		return Record{}, &CorruptError{Seq: seq, Reason: fmt.Sprintf("checksum is %08x, not %08x", sum, stored)}
	}
	return Record{Seq: seq, Data: payload}, nil
}
