package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// FormatVersion is the version of the file format that this package writes.
// Version 1 is read, and copied into a file of this version when a log is
// opened; it has every record in one element.
const FormatVersion = 2

// Overhead is what a record occupies besides its payload: bbolt's element, the
// key and the checksum.
const Overhead = elementSize + keySize + sumSize

const (
	keySize  = 8
	partSize = 4 // of the number in the key of a further piece
	sumSize  = 4
)

// pieceSize is how much of a record one element holds at most. A commit writes
// the last leaf anew, and bbolt splits no leaf of four elements or fewer,
// however large they are: whole records of 200 KiB would be written three to
// five times. Two pieces fill a page of 4 KiB.
const pieceSize = (4096-pageHeaderSize)/2 - elementSize - keySize - partSize

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

// recordKey is the key of a record's first piece.
func recordKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// pieceKey is the key of a piece. Pieces count from 0.
func pieceKey(seq uint64, piece uint32) []byte {
	key := recordKey(seq)
	if piece == 0 {
		return key
	}
	return binary.BigEndian.AppendUint32(key, piece)
}

func parseKey(key []byte) (seq uint64, piece uint32, err error) {
	switch len(key) {
	case keySize:
		return binary.BigEndian.Uint64(key), 0, nil
	case keySize + partSize:
		seq, piece = binary.BigEndian.Uint64(key), binary.BigEndian.Uint32(key[keySize:])
		if piece > 0 {
			return seq, piece, nil
		}
		return 0, 0, &CorruptError{Seq: seq, Reason: "a further piece has the number of the first"}
	default:
		return 0, 0, &CorruptError{Reason: fmt.Sprintf("a record's key has %d bytes", len(key))}
	}
}

// appendRecord appends the stored form of a record to buf.
func appendRecord(buf []byte, seq uint64, payload []byte) []byte {
	buf = binary.BigEndian.AppendUint32(buf, checksum(recordKey(seq), payload))
	return append(buf, payload...)
}

// putRecord puts the stored form of a record, which bbolt refers to until the
// commit ends.
func putRecord(b *bbolt.Bucket, seq uint64, stored []byte) error {
	for piece := uint32(0); ; piece++ {
		n := min(len(stored), pieceSize)
		if err := b.Put(pieceKey(seq, piece), stored[:n:n]); err != nil {
			return fmt.Errorf("put record %d: %w", seq, err)
		}
		if stored = stored[n:]; len(stored) == 0 {
			return nil
		}
	}
}

// joiner makes records of their pieces, which come in the order of their keys.
// A record is whole when something else follows: its checksum says whether all
// of it was there.
type joiner struct {
	open   bool
	seq    uint64
	next   uint32 // the piece that may follow
	stored []byte
	given  []byte // of the record before; used again for the one after
}

// add takes the next element. A record that ended before it is given, also
// together with an error about the element. Its memory is valid until the next
// call.
func (j *joiner) add(key, value []byte) (before Record, ok bool, err error) {
	seq, piece, err := parseKey(key)
	if err == nil && piece > 0 && j.open && seq == j.seq && piece == j.next {
		j.next++
		j.stored = append(j.stored, value...)
		return Record{}, false, nil
	}
	before, ok, ended := j.end()
	switch {
	case ended != nil:
		return Record{}, false, ended
	case err == nil && piece > 0:
		err = &CorruptError{Seq: seq, Reason: fmt.Sprintf("piece %d has no place", piece)}
	}
	if err != nil {
		return before, ok, err
	}
	*j = joiner{open: true, seq: seq, next: 1, stored: append(j.given[:0], value...), given: j.stored}
	return before, ok, nil
}

// end is the record that is open, if one is.
func (j *joiner) end() (r Record, ok bool, err error) {
	if !j.open {
		return Record{}, false, nil
	}
	j.open = false
	if len(j.stored) < sumSize {
		return Record{}, false, &CorruptError{Seq: j.seq, Reason: fmt.Sprintf("%d bytes are too few for a record", len(j.stored))}
	}
	stored, payload := binary.BigEndian.Uint32(j.stored), j.stored[sumSize:]
	if sum := checksum(recordKey(j.seq), payload); sum != stored {
		return Record{}, false, &CorruptError{Seq: j.seq, Reason: fmt.Sprintf("checksum is %08x, not %08x", sum, stored)}
	}
	return Record{Seq: j.seq, Data: payload}, true, nil
}
