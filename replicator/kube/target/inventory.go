package target

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
)

// inventoryFormat is the format of the file that this version reads and writes.
// A file of another one is made anew.
const inventoryFormat = 1

// The buckets. Heads and bodies have the delivered key, as have kept: values
// that the server refused.
var (
	bucketAbout  = []byte("about")
	bucketHeads  = []byte("heads")
	bucketBodies = []byte("bodies")
	bucketKept   = []byte("kept")

	keyAbout  = []byte("of")
	keyCursor = []byte("cursor")
)

// about says what an inventory is of.
type about struct {
	Format                   int
	Cluster, Source, Channel string
}

// Inventory is the file that remembers what was applied to a cluster. It is a
// cache of what the cluster says, durable on return of what writes it. Its
// methods may run at once.
type Inventory struct {
	db *bbolt.DB
}

const lockTime = time.Second

// openInventory opens the file. One that is damaged is made anew.
func openInventory(path string, log *slog.Logger) (*Inventory, error) {
	db, err := openFile(path)
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
		log.Warn("the inventory was damaged, it is made anew from the cluster", "cause", err.Error())
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the damaged inventory: %w", err)
		}
		db, err = openFile(path)
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fault.New(fault.General, "stop the other importer, or give this one a data directory of its own", "the inventory is in use: %w", err)
	case err != nil:
		return nil, fault.New(fault.General, "check the data directory and its disk; removing inventory.db loses nothing but time", "the inventory cannot be opened: %w", err)
	}
	return &Inventory{db}, nil
}

func openFile(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTime, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{bucketAbout, bucketHeads, bucketBodies, bucketKept} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		failpoint.Hit(failpoint.InventoryMadeBefore)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	failpoint.Hit(failpoint.InventoryMadeAfter)
	return db, nil
}

func (i *Inventory) close() error {
	if err := i.db.Close(); err != nil {
		return fmt.Errorf("close the inventory: %w", err)
	}
	return nil
}

// fit reports whether the inventory is built and of what it should be; otherwise
// it is emptied.
func (i *Inventory) fit(of about) (built bool, err error) {
	err = i.update(func(tx *bbolt.Tx) error {
		var now about
		raw := tx.Bucket(bucketAbout).Get(keyAbout)
		if raw != nil && json.Unmarshal(raw, &now) == nil && now == of {
			built = true
			return nil
		}
		for _, b := range [][]byte{bucketAbout, bucketHeads, bucketBodies, bucketKept} {
			if err := tx.DeleteBucket(b); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(b); err != nil {
				return err
			}
		}
		return nil
	})
	return built, err
}

// built notes that the inventory is complete.
func (i *Inventory) built(of about) error {
	raw, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("encode what an inventory is of: %w", err)
	}
	return i.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAbout).Put(keyAbout, raw) })
}

// noteCursor remembers the cursor that was written last, knowsCursor whether
// this is that one: nothing happened to the cluster since that we do not know.
func (i *Inventory) noteCursor(raw []byte) error {
	return i.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAbout).Put(keyCursor, raw) })
}

func (i *Inventory) knowsCursor(raw []byte) (known bool) {
	_ = i.db.View(func(tx *bbolt.Tx) error { // which fails only when the file is closed: nothing is known then
		known = len(raw) > 0 && bytes.Equal(tx.Bucket(bucketAbout).Get(keyCursor), raw)
		return nil
	})
	return known
}

// get is the record of a key; found is false when there is none.
func (i *Inventory) get(key []byte) (r record, found bool, err error) {
	err = i.view(func(tx *bbolt.Tx) error {
		r, found, err = readRecord(tx, key)
		return err
	})
	return r, found, err
}

func readRecord(tx *bbolt.Tx, key []byte) (r record, found bool, err error) {
	raw := tx.Bucket(bucketHeads).Get(key)
	if raw == nil {
		return record{}, false, nil
	}
	if r.head, err = decodeHead(raw); err != nil || r.Released {
		return r, true, err
	}
	r.body, err = decodeBody(tx.Bucket(bucketBodies).Get(key))
	return r, true, err
}

// head is the head of a record.
func (i *Inventory) head(key []byte) (h head, found bool, err error) {
	err = i.view(func(tx *bbolt.Tx) error {
		raw := tx.Bucket(bucketHeads).Get(key)
		if raw == nil {
			return nil
		}
		found = true
		h, err = decodeHead(raw)
		return err
	})
	return h, found, err
}

// write is what changes of one key: its record, or nil to forget it, and whether
// a value that was refused is kept or forgotten.
type write struct {
	key    []byte
	record *record
	forget bool
	keep   []byte // a value that was refused; nil forgets one unless untouched
	// untouched leaves what is kept as it is.
	untouched bool
}

// save writes all at once.
func (i *Inventory) save(writes []write) error {
	if len(writes) == 0 {
		return nil
	}
	type encoded struct{ head, body, keep []byte }
	out := make([]encoded, len(writes))
	for n, w := range writes {
		var err error
		if w.record != nil {
			if out[n].head, err = w.record.head.encode(); err == nil && !w.record.Released {
				out[n].body, err = w.record.body.encode()
			}
		}
		if w.keep != nil && err == nil {
			out[n].keep, err = change.CompressQuick(w.keep)
		}
		if err != nil {
			return err
		}
	}
	return i.update(func(tx *bbolt.Tx) error {
		for n, w := range writes {
			e := out[n]
			if w.record != nil || w.forget {
				if err := errors.Join(replace(tx, bucketHeads, w.key, e.head), replace(tx, bucketBodies, w.key, e.body)); err != nil {
					return err
				}
			}
			if !w.untouched {
				if err := replace(tx, bucketKept, w.key, e.keep); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// leave notes of objects that we set out to delete them, or that we do not after
// all.
func (i *Inventory) leave(keys [][]byte, leaving bool) error {
	if len(keys) == 0 {
		return nil
	}
	return i.update(func(tx *bbolt.Tx) error {
		heads := tx.Bucket(bucketHeads)
		for _, key := range keys {
			raw := heads.Get(key)
			if raw == nil {
				continue
			}
			h, err := decodeHead(raw)
			if err != nil || h.Released {
				continue // an error shows when the object is deleted
			}
			h.Leaving = leaving
			if raw, err = h.encode(); err == nil {
				err = heads.Put(key, raw)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// forget drops a record, unless it changed since it was read.
func (i *Inventory) forget(key []byte, was head) error {
	before, err := was.encode()
	if err != nil {
		return err
	}
	return i.update(func(tx *bbolt.Tx) error {
		if !bytes.Equal(tx.Bucket(bucketHeads).Get(key), before) {
			return nil
		}
		return errors.Join(replace(tx, bucketHeads, key, nil), replace(tx, bucketBodies, key, nil))
	})
}

// replace puts a value, or deletes it when it is nil.
func replace(tx *bbolt.Tx, bucket, key, value []byte) error {
	if value == nil {
		return tx.Bucket(bucket).Delete(key)
	}
	return tx.Bucket(bucket).Put(key, value)
}

// kept is a value that was refused, nil when none is kept.
func (i *Inventory) kept(key []byte) (value []byte, err error) {
	err = i.view(func(tx *bbolt.Tx) error {
		raw := tx.Bucket(bucketKept).Get(key)
		if raw == nil {
			return nil
		}
		value, err = change.Decompress(raw)
		return err
	})
	return value, err
}

// unless notes something about a record, unless it changed since it was read:
// then it is of what is no longer so.
func (i *Inventory) unless(key []byte, was head, now record) (changed bool, err error) {
	before, err := was.encode()
	if err != nil {
		return false, err
	}
	after, err := now.head.encode()
	if err != nil {
		return false, err
	}
	rest, err := now.body.encode()
	if err != nil {
		return false, err
	}
	err = i.update(func(tx *bbolt.Tx) error {
		if !bytes.Equal(tx.Bucket(bucketHeads).Get(key), before) {
			changed = true
			return nil
		}
		return errors.Join(replace(tx, bucketHeads, key, after), replace(tx, bucketBodies, key, rest))
	})
	return changed, err
}

// walk gives the keys of a range with their heads, in order, in pieces that were
// read at once.
func (i *Inventory) walk(r change.Range, fn func(key []byte, h head) error) error {
	type entry struct {
		key []byte
		h   head
	}
	next := r.Lo
	for {
		var page []entry
		err := i.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketHeads).Cursor()
			for k, v := c.Seek(next); k != nil && (len(r.Hi) == 0 || bytes.Compare(k, r.Hi) < 0) && len(page) < walkPage; k, v = c.Next() {
				h, err := decodeHead(v)
				if err != nil {
					return err
				}
				page = append(page, entry{bytes.Clone(k), h})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e.key, e.h); err != nil {
				return err
			}
		}
		if len(page) < walkPage {
			return nil
		}
		next = after(page[len(page)-1].key)
	}
}

const walkPage = 1000

// after is the first key behind key.
func after(key []byte) []byte { return append(bytes.Clone(key), 0) }

// values gives what the cluster has of the keys of a range, in order, in pieces
// of about so many bytes.
func (i *Inventory) values(r change.Range, size int, fn func([]change.KV) error) error {
	next := r.Lo
	for {
		var page []change.KV
		held, more := 0, false
		err := i.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketHeads).Cursor()
			for k, _ := c.Seek(next); k != nil && (len(r.Hi) == 0 || bytes.Compare(k, r.Hi) < 0); k, _ = c.Next() {
				if held >= size {
					more = true
					return nil
				}
				rec, _, err := readRecord(tx, k)
				if err != nil {
					return err
				}
				key := bytes.Clone(k)
				next = after(key)
				if v, present := rec.value(); present {
					page = append(page, change.KV{Key: key, Value: v})
					held += len(key) + len(v)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (i *Inventory) update(fn func(*bbolt.Tx) error) error {
	failpoint.Hit(failpoint.InventoryBefore)
	if err := i.db.Update(fn); err != nil {
		return fmt.Errorf("write the inventory: %w", err)
	}
	failpoint.Hit(failpoint.InventoryAfter)
	return nil
}

func (i *Inventory) view(fn func(*bbolt.Tx) error) error {
	if err := i.db.View(fn); err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	return nil
}
