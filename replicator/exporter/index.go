package exporter

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/wal"
)

const indexFormat = 2

var (
	bucketKeys    = []byte("keys")
	bucketBeside  = []byte("beside")
	bucketRefused = []byte("refused")
	bucketMeta    = []byte("meta")
	keyState      = []byte("checkpoint")
)

// checkpoint says what an index holds, and which frame was the newest one that
// the hub had acknowledged by then.
type checkpoint struct {
	Format   int         `json:"format"`
	Complete bool        `json:"complete"` // the index holds all of the channel at Revision
	Policy   string      `json:"policy"`
	Revision int64       `json:"revision"`
	Head     change.Head `json:"head"`
	Seq      uint64      `json:"seq"`
	Count    uint64      `json:"count"`
	Sum      digest.Sum  `json:"sum"`
	Bytes    uint64      `json:"bytes"`
	Released uint64      `json:"released,omitempty"`
	Refused  uint64      `json:"refused,omitempty"`
}

// entry is what the index knows of one delivered key.
type entry struct {
	modRevision int64
	sum         digest.Sum
	size        uint64
	released    bool // the channel holds change.Released
}

// index knows every key of a channel, its mod revision at the source and its
// hash, and the source keys beside it that do not cross, in a bbolt file. It is a cache: a lost one is built again from the
// source. Writes collect in one bbolt transaction, which commit makes durable
// and rollback forgets. One goroutine uses an index.
type index struct {
	db    *bolt.DB
	tx    *bolt.Tx
	keys  *bolt.Bucket
	total digest.Digest
	bytes uint64
	dirty int
	// released counts the keys that are released, refused the source keys that
	// cannot be read.
	released uint64
	refused  uint64
	// anyBeside: there may be source keys beside the channel's. Without any,
	// which is so where rules look at keys only, none is looked for.
	anyBeside bool
	// writes counts the writes since the index was opened: what was read from
	// it holds while they are the same.
	writes uint64
}

// openIndex opens the index at path, or makes it. A file that is damaged or of
// another format is replaced by an empty index.
func openIndex(path string) (*index, checkpoint, error) {
	x, cp, err := tryIndex(path)
	if err == nil {
		return x, cp, nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, berrors.ErrTimeout) || errors.Is(wal.StorageError(err), wal.ErrNoSpace) {
		return nil, cp, err
	}
	if err := os.Remove(path); err != nil {
		return nil, cp, fmt.Errorf("remove the damaged index %s: %w", path, err)
	}
	return tryIndex(path)
}

func tryIndex(path string) (*index, checkpoint, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
	})
	if err != nil {
		return nil, checkpoint{}, fmt.Errorf("open index %s: %w", path, err)
	}
	x := &index{db: db}
	cp, err := x.begin()
	if err != nil {
		return nil, cp, errors.Join(fmt.Errorf("read index %s: %w", path, err), x.close())
	}
	return x, cp, nil
}

// begin opens the transaction that collects writes.
func (x *index) begin() (checkpoint, error) {
	var cp checkpoint
	tx, err := x.db.Begin(true)
	if err != nil {
		return cp, fmt.Errorf("begin an index transaction: %w", err)
	}
	x.tx, x.dirty = tx, 0
	if x.keys, err = tx.CreateBucketIfNotExists(bucketKeys); err != nil {
		return cp, fmt.Errorf("make the key bucket: %w", err)
	}
	for _, name := range [][]byte{bucketBeside, bucketRefused} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return cp, fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	x.anyBeside = !x.noneBeside()
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return cp, fmt.Errorf("make the meta bucket: %w", err)
	}
	if raw := meta.Get(keyState); raw != nil {
		if err := json.Unmarshal(raw, &cp); err != nil {
			return cp, fmt.Errorf("decode the checkpoint: %w", err)
		}
		if cp.Format != indexFormat {
			return cp, fmt.Errorf("index format %d, want %d", cp.Format, indexFormat)
		}
	}
	x.total = digest.Digest{Count: cp.Count, Sum: cp.Sum}
	x.bytes, x.released, x.refused = cp.Bytes, cp.Released, cp.Refused
	return cp, nil
}

// get is what the index knows of a key.
func (x *index) get(key []byte) (entry, bool) {
	raw := x.keys.Get(key)
	if raw == nil {
		return entry{}, false
	}
	return decodeEntry(raw), true
}

// entrySize is that of an entry; one more byte marks a released key.
const entrySize = 8 + 8 + 32

func decodeEntry(raw []byte) entry {
	return entry{
		modRevision: int64(binary.BigEndian.Uint64(raw)),
		size:        binary.BigEndian.Uint64(raw[8:]),
		sum:         digest.Sum(raw[16:entrySize]),
		released:    len(raw) > entrySize,
	}
}

// put replaces old, which get gave, by e.
func (x *index) put(key []byte, old entry, had bool, e entry) error {
	raw := make([]byte, 0, entrySize+1)
	raw = binary.BigEndian.AppendUint64(raw, uint64(e.modRevision))
	raw = binary.BigEndian.AppendUint64(raw, e.size)
	raw = append(raw, e.sum[:]...)
	if e.released {
		raw = append(raw, 1)
		x.released++
	}
	if err := x.keys.Put(key, raw); err != nil {
		return fmt.Errorf("index key %q: %w", key, err)
	}
	if had {
		x.forget(old)
	}
	x.total.Add(e.sum)
	x.bytes += e.size
	x.dirty++
	x.writes++
	return nil
}

// remove forgets a key, of which old is what get gave.
func (x *index) remove(key []byte, old entry) error {
	if err := x.keys.Delete(key); err != nil {
		return fmt.Errorf("remove key %q from the index: %w", key, err)
	}
	x.forget(old)
	x.dirty++
	x.writes++
	return nil
}

// forget takes an entry out of the totals.
func (x *index) forget(old entry) {
	x.total.Remove(old.sum)
	x.bytes -= old.size
	if old.released {
		x.released--
	}
}

// each calls fn for the keys of a range in key order. fn must not write.
func (x *index) each(r change.Range, fn func(key []byte, e entry) error) error {
	c := x.keys.Cursor()
	for k, v := c.Seek(r.Lo); k != nil; k, v = c.Next() {
		if len(r.Hi) != 0 && bytes.Compare(k, r.Hi) >= 0 {
			return nil
		}
		if err := fn(k, decodeEntry(v)); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether the index says that a range holds exactly these keys,
// in key order, with these items.
func (x *index) holds(r change.Range, kvs []change.KV, items []digest.Sum) (bool, error) {
	n, equal := 0, true
	err := x.each(r, func(key []byte, e entry) error {
		equal = equal && n < len(kvs) && bytes.Equal(key, kvs[n].Key) && e.sum == items[n]
		n++
		return nil
	})
	return equal && n == len(kvs), err
}

// finding is what the index says that an asker lacks in a range, with the
// names of at most so many keys.
func (x *index) finding(r change.Range, known *digest.Known, names int) (change.Finding, error) {
	f := change.Finding{Range: r}
	err := x.each(r, func(key []byte, e entry) error {
		f.Count++
		if known.Has(e.sum) {
			return nil
		}
		f.Put++
		f.Bytes += e.size
		f.KeyPrints = digest.Prints(f.KeyPrints).Append(digest.Item(key, nil), 0)
		if len(f.Keys) < names {
			f.Keys = append(f.Keys, bytes.Clone(key))
		}
		return nil
	})
	f.Gone = known.Gone()
	return f, err
}

// page is the digest page of what the index holds now.
func (x *index) page() ([]change.PageRange, error) {
	b := digest.NewPageBuilder(x.total.Count, x.bytes)
	err := x.each(change.Range{}, func(key []byte, e entry) error {
		b.Add(key, e.sum, e.size)
		return nil
	})
	return b.Ranges(), err
}

// clear forgets every key.
func (x *index) clear() error {
	for _, name := range [][]byte{bucketKeys, bucketBeside, bucketRefused} {
		if err := x.tx.DeleteBucket(name); err != nil {
			return fmt.Errorf("clear the index: %w", err)
		}
		if _, err := x.tx.CreateBucket(name); err != nil {
			return fmt.Errorf("clear the index: %w", err)
		}
	}
	x.keys, x.total, x.bytes, x.released, x.refused = x.tx.Bucket(bucketKeys), digest.Digest{}, 0, 0, 0
	x.dirty++
	x.writes++
	return nil
}

// commit makes the writes durable together with cp. What the index holds must
// be acknowledged by the hub up to cp.Head.
func (x *index) commit(cp checkpoint) error {
	cp.Format, cp.Count, cp.Sum, cp.Bytes = indexFormat, x.total.Count, x.total.Sum, x.bytes
	cp.Released, cp.Refused = x.released, x.refused
	raw, err := json.Marshal(cp)
	if err != nil {
		return fmt.Errorf("encode the checkpoint: %w", err)
	}
	if err := x.tx.Bucket(bucketMeta).Put(keyState, raw); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	failpoint.Hit(failpoint.IndexCommitBefore)
	err = x.tx.Commit()
	x.tx = nil
	if err != nil {
		return fmt.Errorf("commit the index at %v: %w", cp.Head.Position, onDisk(err))
	}
	failpoint.Hit(failpoint.IndexCommitAfter)
	_, err = x.begin()
	return err
}

// onDisk is an error of the disk with the remedy.
func onDisk(err error) error {
	if errors.Is(wal.StorageError(err), wal.ErrNoSpace) {
		return fault.New(fault.General, "free space on the disk of the exporter's data directory; it goes on by itself", "the disk is full: %w", err)
	}
	return fault.New(fault.General, "check that the exporter's data directory is writable and has space", "%w", err)
}

// rollback forgets what was not committed.
func (x *index) rollback() error {
	err := x.tx.Rollback()
	x.tx = nil
	if err != nil {
		return fmt.Errorf("roll the index back: %w", err)
	}
	_, err = x.begin()
	return err
}

// close forgets what was not committed and closes the file.
func (x *index) close() error {
	var err error
	if x.tx != nil {
		err = x.tx.Rollback()
		x.tx = nil
	}
	return errors.Join(err, x.db.Close())
}
