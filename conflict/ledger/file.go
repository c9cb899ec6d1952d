package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// The buckets of a file.
var (
	recordsBucket  = []byte("records")  // ID → record
	openBucket     = []byte("open")     // ID → nothing, of records that are open
	resolvedBucket = []byte("resolved") // ID → nothing, of the others
	keysBucket     = []byte("keys")     // start of the key, ID → nothing
	metaBucket     = []byte("meta")

	totalsKey = []byte("totals")
)

// totals are kept with every change.
type totals struct {
	Format  int    `json:"format"`
	Last    uint64 `json:"last"` // ID
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"`
	Evicted uint64 `json:"evicted"`
	Lost    uint64 `json:"lost"` // evicted while they were open
}

const fileFormat = 1

// file is a transaction.
type file struct {
	records, open, resolved, keys, meta *bbolt.Bucket
	totals
}

func view(db *bbolt.DB, f func(*file) error) error {
	return db.View(func(tx *bbolt.Tx) error {
		x, err := buckets(tx)
		if err != nil {
			return err
		}
		return f(x)
	})
}

// update is durable when it returns nil.
func update(db *bbolt.DB, f func(*file) error) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		x, err := buckets(tx)
		if err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
		failpoint.Hit(failpoint.LedgerWriteBefore)
		return x.putTotals()
	})
	if err == nil {
		failpoint.Hit(failpoint.LedgerWriteAfter)
	}
	return err
}

func buckets(tx *bbolt.Tx) (*file, error) {
	x := &file{
		records: tx.Bucket(recordsBucket), open: tx.Bucket(openBucket), resolved: tx.Bucket(resolvedBucket),
		keys: tx.Bucket(keysBucket), meta: tx.Bucket(metaBucket),
	}
	if x.records == nil || x.open == nil || x.resolved == nil || x.keys == nil || x.meta == nil {
		return nil, damagef("a bucket is missing")
	}
	if err := json.Unmarshal(x.meta.Get(totalsKey), &x.totals); err != nil {
		return nil, damagef("the totals cannot be read: %w", err)
	}
	if x.Format != fileFormat {
		return nil, damagef("it has format %d, this version knows %d", x.Format, fileFormat)
	}
	return x, nil
}

func (x *file) putTotals() error {
	text, err := json.Marshal(x.totals)
	if err != nil {
		return fmt.Errorf("encode the totals: %w", err)
	}
	return x.meta.Put(totalsKey, text)
}

// prepare makes the buckets of a new file, and checks those of an old one.
func prepare(db *bbolt.DB) error {
	return guarded(func() error {
		fresh := false
		if err := db.View(func(tx *bbolt.Tx) error {
			name, _ := tx.Cursor().First()
			fresh = name == nil
			return nil
		}); err != nil {
			return err
		}
		if fresh {
			return create(db)
		}
		return view(db, (*file).check)
	})
}

func create(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{recordsBucket, openBucket, resolvedBucket, keysBucket, metaBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		x := &file{meta: tx.Bucket(metaBucket), totals: totals{Format: fileFormat}}
		failpoint.Hit(failpoint.LedgerCreateBefore)
		return x.putTotals()
	})
}

// check reads everything once.
func (x *file) check() error {
	n, size := 0, int64(0)
	err := x.records.ForEach(func(id, b []byte) error {
		if err := checkRecord(b); err != nil {
			return damagef("%w", err)
		}
		if len(id) != idSize || (x.open.Get(id) != nil) == (x.resolved.Get(id) != nil) {
			return damagef("record %x is not either open or resolved", id)
		}
		n++
		size += int64(len(b))
		return nil
	})
	if err != nil {
		return err
	}
	var listed [3]int
	for i, b := range []*bbolt.Bucket{x.open, x.resolved, x.keys} {
		if err := b.ForEach(func(_, _ []byte) error { listed[i]++; return nil }); err != nil {
			return err
		}
	}
	if n != x.Records || size != x.Bytes || listed[0]+listed[1] != n || listed[2] != n {
		return damagef("its parts contradict each other")
	}
	return nil
}

const idSize = 8

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// there stands for nothing: bbolt gives nil for a key that is not there.
var there = []byte{1}

// maxIndexed is how much of a key its place among the keys tells; bbolt's own
// keys are bounded.
const maxIndexed = 1 << 10

func indexed(key []byte) []byte { return key[:min(len(key), maxIndexed)] }

func indexKey(key []byte, id uint64) []byte {
	return append(bytes.Clone(indexed(key)), idKey(id)...)
}

func (x *file) get(id uint64) (Record, error) {
	b := x.records.Get(idKey(id))
	if b == nil {
		return Record{}, fmt.Errorf("conflict %d: %w", id, ErrNotFound)
	}
	r, err := decodeRecord(id, b)
	if err != nil {
		return Record{}, &damagedError{err}
	}
	return r, nil
}

// put stores a record in place of what has its ID.
func (x *file) put(r Record) error {
	b, err := encodeRecord(r)
	if err != nil {
		return err
	}
	id := idKey(r.ID)
	x.Bytes += int64(len(b)) - int64(len(x.records.Get(id)))
	list, other := x.resolved, x.open
	if r.Open {
		list, other = other, list
	}
	for _, do := range []func() error{
		func() error { return x.records.Put(id, b) },
		func() error { return list.Put(id, there) },
		func() error { return other.Delete(id) },
		func() error { return x.keys.Put(indexKey(r.Key, r.ID), there) },
	} {
		if err := do(); err != nil {
			return fmt.Errorf("store conflict %d: %w", r.ID, err)
		}
	}
	return nil
}

func (x *file) remove(r Record) error {
	id := idKey(r.ID)
	x.Bytes -= int64(len(x.records.Get(id)))
	x.Records--
	for _, do := range []func() error{
		func() error { return x.records.Delete(id) },
		func() error { return x.open.Delete(id) },
		func() error { return x.resolved.Delete(id) },
		func() error { return x.keys.Delete(indexKey(r.Key, r.ID)) },
	} {
		if err := do(); err != nil {
			return fmt.Errorf("remove conflict %d: %w", r.ID, err)
		}
	}
	return nil
}
