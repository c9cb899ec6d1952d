package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// audit is what reading a whole file found.
type audit struct {
	format    int
	state     state // as stored; zero unless stateOK
	stateOK   bool
	kept      uint64 // records of the verified beginning
	bytes     int64  // their size
	last      uint64 // the last of them
	fileBytes int64
	pageSize  int
	pages     int
	freePages int
	damage    error // what ended the reading, nil for a sound file
}

// auditFile verifies a file from its meta pages to the checksum of every
// record, without bbolt, and calls each with the records in order until the
// first damage. The record's memory is valid during the call.
//
// The returned error is ErrForeign, ErrFormat, an error of reading or one of
// each; damage is reported in the audit.
func auditFile(f *os.File, each func(Record) error) (audit, error) {
	info, err := f.Stat()
	if err != nil {
		return audit{}, fmt.Errorf("look at the file: %w", err)
	}
	return auditBytes(f, info.Size(), each)
}

func auditBytes(f io.ReaderAt, size int64, each func(Record) error) (audit, error) {
	a := audit{fileBytes: size}
	damage := a.read(f, each)
	var corrupt *CorruptError
	if damage != nil && !errors.As(damage, &corrupt) {
		return a, damage
	}
	a.damage = damage
	if damage != nil {
		if foreign, err := looksForeign(f, a.fileBytes); err != nil || foreign {
			return a, errors.Join(err, foreignError(foreign))
		}
	}
	return a, nil
}

func foreignError(foreign bool) error {
	if !foreign {
		return nil
	}
	return ErrForeign
}

func (a *audit) read(f io.ReaderAt, each func(Record) error) error {
	tree, oneMeta, err := openPages(f, a.fileBytes)
	if err != nil {
		return err
	}
	a.pageSize, a.pages = tree.meta.pageSize, int(tree.meta.highWater)
	header, recs, err := tree.roots()
	if err != nil {
		return err
	}
	if err := a.readHeader(tree, header); err != nil {
		return err
	}
	if err := a.readRecords(tree, recs, each); err != nil {
		return err
	}
	a.freePages = a.pages - 2 - tree.used
	if oneMeta != nil {
		// The other meta page is one commit older: the tree is sound, but the
		// newest commit may be missing from it.
		return oneMeta
	}
	return nil
}

func (a *audit) readHeader(tree *pages, header []byte) error {
	var format, st []byte
	err := tree.bucket(header, 0, func(e element) error {
		switch {
		case bytes.Equal(e.key, formatKey):
			format = bytes.Clone(e.value)
		case bytes.Equal(e.key, stateKey):
			st = bytes.Clone(e.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.format, err = decodeFormat(format); err != nil {
		return err
	}
	a.state, err = decodeState(st)
	a.stateOK = err == nil
	return err
}

func (a *audit) readRecords(tree *pages, bucket []byte, each func(Record) error) error {
	var j joiner
	err := tree.bucket(bucket, 0, func(e element) error {
		if e.bucket {
			return damagef("a bucket is among the records")
		}
		r, ok, err := j.add(e.key, e.value)
		return a.keep(r, ok, err, each)
	})
	if err != nil {
		return err
	}
	r, ok, err := j.end()
	if err := a.keep(r, ok, err, each); err != nil {
		return err
	}
	if expect := a.state.first + a.kept; expect != a.state.next {
		return &CorruptError{Seq: expect, Reason: fmt.Sprintf("records %d to %d are missing", expect, a.state.next-1)}
	}
	if a.bytes != a.state.bytes {
		return damagef("records have %d bytes, the state says %d", a.bytes, a.state.bytes)
	}
	return nil
}

// keep takes what a joiner gave.
func (a *audit) keep(r Record, ok bool, err error, each func(Record) error) error {
	if !ok {
		return err
	}
	if expect := a.state.first + a.kept; r.Seq != expect || r.Seq >= a.state.next {
		return &CorruptError{Seq: min(expect, r.Seq), Reason: fmt.Sprintf("record %d follows where %d belongs, of %d to %d", r.Seq, expect, a.state.first, a.state.next)}
	}
	if each != nil {
		if err := each(r); err != nil {
			return err
		}
	}
	a.kept++
	a.bytes += recordSize(len(r.Data))
	a.last = r.Seq
	return err
}

// openPages finds the newest sound meta page. damage is set when only one of
// the two is sound; then the tree is that one's.
func openPages(f io.ReaderAt, size int64) (tree *pages, damage, err error) {
	zero, errZero, err := metaAt(f, 0, size)
	if err != nil {
		return nil, nil, err
	}
	one, errOne := meta{}, error(nil)
	if errZero == nil {
		one, errOne, err = metaAt(f, int64(zero.pageSize), size)
	} else {
		one, errOne, err = findSecondMeta(f, size)
	}
	if err != nil {
		return nil, nil, err
	}
	m := zero
	switch {
	case errZero != nil && errOne != nil:
		return nil, nil, errZero
	case errZero != nil:
		m, damage = one, errZero
	case errOne != nil:
		damage = errOne
	case one.pageSize != zero.pageSize:
		return nil, nil, damagef("the meta pages disagree about the page size")
	case one.txid > zero.txid:
		m = one
	}
	if err := m.check(size); err != nil {
		return nil, nil, err
	}
	return &pages{file: f, meta: m, visited: make([]bool, m.highWater)}, damage, nil
}

func (m meta) check(size int64) error {
	if m.highWater < 3 || m.highWater > math.MaxInt64/uint64(m.pageSize) || int64(m.highWater)*int64(m.pageSize) > size {
		return damagef("file has %d bytes, its %d pages of %d need more", size, m.highWater, m.pageSize)
	}
	if m.freelist != noFreelistPage {
		return damagef("a free list is stored, which a log never does")
	}
	return nil
}

// metaAt reads the meta page at an offset. damage is what is wrong with it, err
// that it could not be read.
func metaAt(f io.ReaderAt, offset, size int64) (m meta, damage, err error) {
	var b [pageHeaderSize + metaSize]byte
	if offset+int64(len(b)) > size {
		return meta{}, damagef("file of %d bytes ends within a meta page", size), nil
	}
	if _, err := f.ReadAt(b[:], offset); err != nil {
		return meta{}, nil, fmt.Errorf("read meta page: %w", err)
	}
	m, damage = parseMeta(b[:])
	return m, damage, nil
}

// findSecondMeta looks for the second meta page where every possible page size
// puts it, as bbolt does when the first is no help.
func findSecondMeta(f io.ReaderAt, size int64) (meta, error, error) {
	for offset := int64(minPageSize); offset <= maxPageSize && offset < size; offset *= 2 {
		m, damage, err := metaAt(f, offset, size)
		if err != nil || (damage == nil && int64(m.pageSize) == offset) {
			return m, nil, err
		}
	}
	return meta{}, damagef("no meta page is sound"), nil
}

// roots finds the stored headers of the two buckets.
func (p *pages) roots() (header, recs []byte, err error) {
	err = p.tree(p.meta.root, 0, bounds{}, func(e element) error {
		if !e.bucket {
			return damagef("%q is not a bucket", e.key)
		}
		switch {
		case bytes.Equal(e.key, headerBucket):
			header = bytes.Clone(e.value)
		case bytes.Equal(e.key, recordsBucket):
			recs = bytes.Clone(e.value)
		default:
			return damagef("bucket %q is not a log's", e.key)
		}
		return nil
	})
	if err == nil && (header == nil || recs == nil) {
		err = damagef("a bucket is missing")
	}
	return header, recs, err
}

// looksForeign says whether a file that cannot be read as a log belongs to
// something else: a sound bbolt database without our bucket, or bytes without a
// trace of bbolt or of us. An empty file and one of zeros (which a power cut can
// leave) hold nothing of anybody.
func looksForeign(f io.ReaderAt, size int64) (bool, error) {
	t, err := searchTraces(f, size)
	if err != nil || t.ours || !t.anything {
		return false, err
	}
	if !t.bolt {
		return true, nil
	}
	tree, _, err := openPages(f, size)
	if err != nil {
		return isStoredFreelist(f, size), nil //nolint:nilerr // pages that make no sense are the finding
	}
	return tree.tree(tree.meta.root, 0, bounds{}, func(element) error { return nil }) == nil, nil
}

// isStoredFreelist says whether the file is a bbolt database with two sound
// meta pages and a stored free list. Ours never have that.
func isStoredFreelist(f io.ReaderAt, size int64) bool {
	zero, damage, err := metaAt(f, 0, size)
	if damage != nil || err != nil {
		return false
	}
	one, damage, err := metaAt(f, int64(zero.pageSize), size)
	return damage == nil && err == nil && zero.freelist != noFreelistPage && one.freelist != noFreelistPage
}

type traces struct{ ours, bolt, anything bool }

func searchTraces(f io.ReaderAt, size int64) (t traces, err error) {
	var magic [4]byte
	native.PutUint32(magic[:], boltMagic)
	var formats [][]byte
	for v := range uint32(FormatVersion) {
		formats = append(formats, encodeFormat(v+1))
	}
	const step, lap = 64 << 10, 16
	buf := make([]byte, step+lap)
	for offset := int64(0); offset < size && !t.ours; offset += step {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return t, fmt.Errorf("read at %d: %w", offset, err)
		}
		b := buf[:n]
		t.ours = bytes.Contains(b, headerBucket) || slices.ContainsFunc(formats, func(format []byte) bool { return bytes.Contains(b, format) })
		t.bolt = t.bolt || bytes.Contains(b, magic[:])
		t.anything = t.anything || len(bytes.Trim(b, "\x00")) > 0
	}
	return t, nil
}
