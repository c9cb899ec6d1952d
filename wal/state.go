package wal

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// Names in the file.
var (
	headerBucket  = []byte("syncer.wal")
	recordsBucket = []byte("records")
	formatKey     = []byte("format")
	stateKey      = []byte("state")
)

// state says which records the file holds: exactly first <= seq < next, which
// occupy bytes.
type state struct {
	first, next uint64
	bytes       int64
}

func (s state) count() uint64 { return s.next - s.first }

func (s state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.first)
	b = binary.BigEndian.AppendUint64(b, s.next)
	b = binary.BigEndian.AppendUint64(b, uint64(s.bytes))
	return binary.BigEndian.AppendUint32(b, checksum(stateKey, b))
}

func decodeState(b []byte) (state, error) {
	body, err := summed(stateKey, b, 24)
	if err != nil {
		return state{}, err
	}
	s := state{
		first: binary.BigEndian.Uint64(body),
		next:  binary.BigEndian.Uint64(body[8:]),
		bytes: int64(binary.BigEndian.Uint64(body[16:])),
	}
	if s.first == 0 || s.first > s.next || s.bytes < 0 {
		return state{}, &CorruptError{Reason: fmt.Sprintf("state is impossible: records %d to %d, %d bytes", s.first, s.next, s.bytes)}
	}
	return s, nil
}

func encodeFormat(version uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, version)
	return binary.BigEndian.AppendUint32(b, checksum(formatKey, b))
}

// decodeFormat returns ErrFormat only for a version that was really written:
// flipped bits are damage.
func decodeFormat(b []byte) (version int, err error) {
	body, err := summed(formatKey, b, 4)
	if err != nil {
		return 0, err
	}
	v := binary.BigEndian.Uint32(body)
	if v < 1 || v > FormatVersion {
		return 0, fmt.Errorf("%w %d (this program knows 1 to %d)", ErrFormat, v, FormatVersion)
	}
	return int(v), nil
}

// summed checks the checksum that ends b and returns the size bytes before it.
func summed(name, b []byte, size int) ([]byte, error) {
	if len(b) != size+sumSize {
		return nil, &CorruptError{Reason: fmt.Sprintf("%s has %d bytes, not %d", name, len(b), size+sumSize)}
	}
	if checksum(name, b[:size]) != binary.BigEndian.Uint32(b[size:]) {
		return nil, &CorruptError{Reason: fmt.Sprintf("%s has a wrong checksum", name)}
	}
	return b[:size], nil
}

// initialise makes the two buckets in an empty database.
func initialise(tx *bbolt.Tx, s state) error {
	header, err := tx.CreateBucket(headerBucket)
	if err != nil {
		return fmt.Errorf("make bucket %s: %w", headerBucket, err)
	}
	if err := header.Put(formatKey, encodeFormat(FormatVersion)); err != nil {
		return fmt.Errorf("write format: %w", err)
	}
	if _, err := tx.CreateBucket(recordsBucket); err != nil {
		return fmt.Errorf("make bucket %s: %w", recordsBucket, err)
	}
	return putState(tx, s)
}

func putState(tx *bbolt.Tx, s state) error {
	if err := tx.Bucket(headerBucket).Put(stateKey, s.encode()); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// records is the bucket of the records, filled page by page: keys only grow.
func records(tx *bbolt.Tx) *bbolt.Bucket {
	b := tx.Bucket(recordsBucket)
	b.FillPercent = 1
	return b
}
