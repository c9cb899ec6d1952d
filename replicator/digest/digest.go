// Package digest says in 40 bytes what a set of keys and values is, so that
// two clusters can prove that they hold the same without sending it.
//
// The hash of an item is SHA-256 over the length of its key (8 bytes, big
// endian), the key and the delivered value. The digest of a range is the sum
// of its item hashes modulo 2^256 and their count: it does not depend on
// order, and a write changes it by one subtraction and one addition. It guards
// against accidents and bugs, not against somebody who may choose values at
// will.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Sum is a sum of item hashes modulo 2^256, big endian.
type Sum [32]byte

// Item is the hash of one key with its value.
func Item(key, value []byte) Sum {
	var stack [512]byte
	buf := binary.BigEndian.AppendUint64(stack[:0], uint64(len(key)))
	buf = append(buf, key...)
	if len(buf)+len(value) <= len(stack) {
		return sha256.Sum256(append(buf, value...))
	}
	h := sha256.New()
	h.Write(buf)
	h.Write(value)
	var s Sum
	h.Sum(s[:0])
	return s
}

// Add returns s + o modulo 2^256.
func (s Sum) Add(o Sum) Sum {
	var out Sum
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		var v uint64
		v, carry = bits.Add64(binary.BigEndian.Uint64(s[i:]), binary.BigEndian.Uint64(o[i:]), carry)
		binary.BigEndian.PutUint64(out[i:], v)
	}
	return out
}

// Sub returns s - o modulo 2^256.
func (s Sum) Sub(o Sum) Sum {
	var out Sum
	var borrow uint64
	for i := 24; i >= 0; i -= 8 {
		var v uint64
		v, borrow = bits.Sub64(binary.BigEndian.Uint64(s[i:]), binary.BigEndian.Uint64(o[i:]), borrow)
		binary.BigEndian.PutUint64(out[i:], v)
	}
	return out
}

// Digest is the sum and the count of a set of items. The zero Digest is that
// of the empty set.
type Digest struct {
	Count uint64
	Sum   Sum
}

// Add puts an item into the set.
func (d *Digest) Add(item Sum) {
	d.Count++
	d.Sum = d.Sum.Add(item)
}

// Remove takes an item out of the set.
func (d *Digest) Remove(item Sum) {
	d.Count--
	d.Sum = d.Sum.Sub(item)
}

// Short is the 16 bytes that stand for the digest on a page.
func (d Digest) Short() [16]byte {
	var buf [40]byte
	copy(buf[:], d.Sum[:])
	binary.BigEndian.PutUint64(buf[32:], d.Count)
	full := sha256.Sum256(buf[:])
	return [16]byte(full[:16])
}

// String is what people compare: the first bytes of Short, and the count.
func (d Digest) String() string {
	s := d.Short()
	return hex.EncodeToString(s[:8])
}
