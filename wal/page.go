package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt's file format 2, as far as reading needs it. Numbers are in the order
// of the machine.
//
//	page    id u64 | flags u16 | count u16 | overflow u32 | elements | data
//	meta    page header | magic u32 | version u32 | page size u32 | flags u32 |
//	        root page u64 | sequence u64 | free list page u64 |
//	        high-water mark u64 | transaction u64 | FNV-1a u64 over the 56 bytes before
//	branch  element: position u32 | key size u32 | child page u64
//	leaf    element: flags u32 | position u32 | key size u32 | value size u32
//
// A position counts from the start of its element.
const (
	pageHeaderSize = 16
	metaSize       = 64
	elementSize    = 16
	bucketSize     = 16 // root page u64 | sequence u64

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04
	bucketFlag = 0x01

	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	noFreelistPage = ^uint64(0)

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
)

var native = binary.NativeEndian

type meta struct {
	pageSize                             int
	root, freelist, highWater, txid, sum uint64
}

// parseMeta reads the meta that starts page b.
func parseMeta(b []byte) (m meta, err error) {
	if len(b) < pageHeaderSize+metaSize {
		return meta{}, damagef("file ends within a meta page")
	}
	if id, kind := native.Uint64(b), native.Uint16(b[8:]); id > 1 || kind != metaPage {
		return meta{}, damagef("a meta page is not one of bbolt's")
	}
	b = b[pageHeaderSize : pageHeaderSize+metaSize]
	if native.Uint32(b) != boltMagic {
		return meta{}, damagef("a meta page is not one of bbolt's")
	}
	m = meta{
		pageSize:  int(native.Uint32(b[8:])),
		root:      native.Uint64(b[16:]),
		freelist:  native.Uint64(b[32:]),
		highWater: native.Uint64(b[40:]),
		txid:      native.Uint64(b[48:]),
		sum:       native.Uint64(b[56:]),
	}
	h := fnv.New64a()
	h.Write(b[:56])
	switch {
	case h.Sum64() != m.sum:
		return meta{}, damagef("a meta page has a wrong checksum")
	case native.Uint32(b[4:]) != boltVersion:
		return meta{}, damagef("bbolt file format %d is not %d", native.Uint32(b[4:]), boltVersion)
	case m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0:
		return meta{}, damagef("page size is %d", m.pageSize)
	}
	return m, nil
}

func damagef(format string, args ...any) error {
	return &CorruptError{Reason: fmt.Sprintf(format, args...)}
}

// pages reads the tree of one committed transaction with plain reads. Every
// offset is checked before it is used, and a page may be met only once, so any
// bytes at all are safe to walk.
type pages struct {
	file    io.ReaderAt
	meta    meta
	visited []bool
	used    int      // pages met so far
	buffers [][]byte // one per depth, used again for the next sibling
}

// element is one entry of a leaf page. Its memory is valid during the visit.
type element struct {
	bucket     bool
	key, value []byte
}

// bounds is the half-open range a subtree's keys must lie in; nil is open.
type bounds struct{ low, high []byte }

func (b bounds) hold(key []byte) bool {
	return bytes.Compare(key, b.low) >= 0 && (b.high == nil || bytes.Compare(key, b.high) < 0)
}

// bucket visits the elements of the bucket whose stored header is value.
func (p *pages) bucket(value []byte, depth int, visit func(element) error) error {
	if len(value) < bucketSize {
		return damagef("a bucket's header has %d bytes", len(value))
	}
	if root := native.Uint64(value); root != 0 {
		return p.tree(root, depth, bounds{}, visit)
	}
	inline, err := parsePage(value[bucketSize:])
	if err != nil {
		return err
	}
	if !inline.leaf {
		return damagef("a bucket within a page is not a leaf")
	}
	return inline.visit(bounds{}, visit)
}

// tree visits the leaf elements below a page in the order of their keys.
func (p *pages) tree(id uint64, depth int, in bounds, visit func(element) error) error {
	page, err := p.read(id, depth)
	if err != nil {
		return err
	}
	if page.leaf {
		return page.visit(in, visit)
	}
	if page.count == 0 {
		return damagef("page %d branches to nothing", id)
	}
	for i := range page.count {
		child, key, err := page.branch(i)
		if err != nil {
			return err
		}
		below := bounds{low: key, high: in.high}
		if i+1 < page.count {
			if _, below.high, err = page.branch(i + 1); err != nil {
				return err
			}
		}
		if !in.hold(key) || (below.high != nil && bytes.Compare(key, below.high) >= 0) {
			return damagef("page %d has a key out of order", id)
		}
		if err := p.tree(child, depth+1, below, visit); err != nil {
			return err
		}
	}
	return nil
}

// read reads a page with its overflow into the buffer of the depth.
func (p *pages) read(id uint64, depth int) (page, error) {
	if id < 2 || id >= p.meta.highWater {
		return page{}, damagef("page %d is out of range", id)
	}
	for len(p.buffers) <= depth {
		p.buffers = append(p.buffers, nil)
	}
	size := p.meta.pageSize
	buf := grown(p.buffers[depth], size)
	if err := p.readAt(buf, id); err != nil {
		return page{}, err
	}
	overflow := uint64(native.Uint32(buf[12:]))
	if native.Uint64(buf) != id || overflow >= p.meta.highWater-id {
		return page{}, damagef("page %d is not what it should be", id)
	}
	for i := id; i <= id+overflow; i++ {
		if p.visited[i] {
			return page{}, damagef("page %d belongs to two places", i)
		}
		p.visited[i] = true
		p.used++
	}
	if overflow > 0 {
		buf = grown(buf, size*int(overflow+1))
		if err := p.readAt(buf, id); err != nil {
			return page{}, err
		}
	}
	p.buffers[depth] = buf
	return parsePage(buf)
}

func (p *pages) readAt(buf []byte, id uint64) error {
	if _, err := p.file.ReadAt(buf, int64(id)*int64(p.meta.pageSize)); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	return nil
}

func grown(buf []byte, size int) []byte {
	if cap(buf) >= size {
		return buf[:size]
	}
	return make([]byte, size)
}

// page is a branch or leaf page with its overflow.
type page struct {
	data  []byte
	count int
	leaf  bool
}

func parsePage(b []byte) (page, error) {
	if len(b) < pageHeaderSize {
		return page{}, damagef("%d bytes are too few for a page", len(b))
	}
	flags := native.Uint16(b[8:])
	if flags != branchPage && flags != leafPage {
		return page{}, damagef("page %d has unknown type %#x", native.Uint64(b), flags)
	}
	p := page{data: b, count: int(native.Uint16(b[10:])), leaf: flags == leafPage}
	if pageHeaderSize+p.count*elementSize > len(b) {
		return page{}, damagef("page %d has too many elements", native.Uint64(b))
	}
	return p, nil
}

// slice is n bytes at a position that counts from element i.
func (p page) slice(i int, position, n uint64) ([]byte, error) {
	start := uint64(pageHeaderSize+i*elementSize) + position
	if start+n > uint64(len(p.data)) {
		return nil, damagef("page %d has an element that leaves it", native.Uint64(p.data))
	}
	return p.data[start : start+n : start+n], nil
}

func (p page) branch(i int) (child uint64, key []byte, err error) {
	e := p.data[pageHeaderSize+i*elementSize:]
	key, err = p.slice(i, uint64(native.Uint32(e)), uint64(native.Uint32(e[4:])))
	return native.Uint64(e[8:]), key, err
}

func (p page) element(i int) (element, error) {
	e := p.data[pageHeaderSize+i*elementSize:]
	flags, keyLen := native.Uint32(e), uint64(native.Uint32(e[8:]))
	both, err := p.slice(i, uint64(native.Uint32(e[4:])), keyLen+uint64(native.Uint32(e[12:])))
	if err != nil {
		return element{}, err
	}
	if keyLen == 0 || flags&^bucketFlag != 0 {
		return element{}, damagef("page %d has an impossible element", native.Uint64(p.data))
	}
	return element{bucket: flags == bucketFlag, key: both[:keyLen:keyLen], value: both[keyLen:]}, nil
}

func (p page) visit(in bounds, visit func(element) error) error {
	var before []byte
	for i := range p.count {
		e, err := p.element(i)
		if err != nil {
			return err
		}
		if !in.hold(e.key) || (i > 0 && bytes.Compare(e.key, before) <= 0) {
			return damagef("page %d has a key out of order", native.Uint64(p.data))
		}
		if err := visit(e); err != nil {
			return err
		}
		before = e.key
	}
	return nil
}
