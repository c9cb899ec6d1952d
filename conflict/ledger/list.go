package ledger

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/syncer-io/syncer/conflict"
)

// Filter selects records. The zero value selects all.
type Filter struct {
	Key    []byte        // exactly this one; none has no bytes, so none is any
	Prefix []byte        // of the key
	Type   conflict.Type // "": any
	Open   bool          // only those that are open
	Loud   bool          // not those that are quiet
	Since  time.Time     // not those from before
	Before uint64        // only those with a lower ID, to go on where a limit ended; 0: all
	Limit  int           // at most so many; 0: all
	Bare   bool          // values without their bytes
}

func (f Filter) matches(r Record) bool {
	return (len(f.Key) == 0 || bytes.Equal(r.Key, f.Key)) && bytes.HasPrefix(r.Key, f.Prefix) &&
		(f.Type == "" || r.Type == f.Type) && (r.Open || !f.Open) && !(f.Loud && r.Quiet()) && !r.Time.Before(f.Since)
}

// List are the records that the filter selects, newest first.
func (l *Ledger) List(f Filter) (out []Record, err error) {
	err = l.read(func(x *file) error {
		out = nil
		return x.each(f, func(id uint64) (more bool, err error) {
			r, err := x.get(id)
			if err != nil || !f.matches(r) {
				return true, err
			}
			if f.Bare {
				r = r.bare()
			}
			out = append(out, r)
			return f.Limit == 0 || len(out) < f.Limit, nil
		})
	})
	return out, err
}

// Get is a record with its values. ErrNotFound: there is none.
func (l *Ledger) Get(id uint64) (r Record, err error) {
	err = l.read(func(x *file) error {
		r, err = x.get(id)
		return err
	})
	return r, err
}

// Last is the newest record of a key.
func (l *Ledger) Last(key []byte) (r Record, found bool, err error) {
	records, err := l.List(Filter{Key: key, Limit: 1})
	if err != nil || len(records) == 0 {
		return Record{}, false, err
	}
	return records[0], true, nil
}

// Stats counts records.
type Stats struct {
	Records, Open int
	Bytes         int64 // as they are stored
	// Evicted were removed to stay in bounds, Lost of them while they were open.
	Evicted, Lost uint64
}

// Stats counts the records.
func (l *Ledger) Stats() (s Stats, err error) {
	err = l.read(func(x *file) error {
		s = Stats{Records: x.Records, Bytes: x.Bytes, Evicted: x.Evicted, Lost: x.Lost}
		return x.open.ForEach(func(_, _ []byte) error { s.Open++; return nil })
	})
	return s, err
}

// each calls f with the IDs that may match, newest first, until it wants no
// more.
func (x *file) each(f Filter, call func(id uint64) (more bool, err error)) error {
	switch {
	case len(f.Key) > 0 || len(f.Prefix) > 0:
		return eachOf(x.withPrefix(f), f.Before, call)
	case f.Open:
		return eachDown(x.open, f.Before, call)
	default:
		return eachDown(x.records, f.Before, call)
	}
}

// withPrefix are the IDs of keys that begin like the filter's, newest first.
func (x *file) withPrefix(f Filter) []uint64 {
	start := indexed(f.Prefix)
	if len(f.Key) > 0 {
		start = indexed(f.Key)
	}
	var ids []uint64
	c := x.keys.Cursor()
	for k, _ := c.Seek(start); bytes.HasPrefix(k, start); k, _ = c.Next() {
		if len(k) >= idSize {
			ids = append(ids, binary.BigEndian.Uint64(k[len(k)-idSize:]))
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

func eachOf(ids []uint64, before uint64, call func(uint64) (bool, error)) error {
	for _, id := range ids {
		if before > 0 && id >= before {
			continue
		}
		if more, err := call(id); err != nil || !more {
			return err
		}
	}
	return nil
}

func eachDown(b *bbolt.Bucket, before uint64, call func(uint64) (bool, error)) error {
	c := b.Cursor()
	k, _ := c.Last()
	if before > 0 {
		if k, _ = c.Seek(idKey(before)); k != nil {
			k, _ = c.Prev()
		} else {
			k, _ = c.Last()
		}
	}
	for ; k != nil; k, _ = c.Prev() {
		if more, err := call(binary.BigEndian.Uint64(k)); err != nil || !more {
			return err
		}
	}
	return nil
}
