package ledger

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Append records conflicts in one atomic piece and gives their IDs, in their
// order. They are on disk when it returns nil. Values are cut to
// Options.MaxValue. Of a key's quiet records only the newest stays. To stay in bounds, the oldest resolved records go, and open
// ones only when no resolved one is left; see Stats.
func (l *Ledger) Append(records ...Record) (ids []uint64, err error) {
	if len(records) == 0 {
		return nil, nil
	}
	err = l.write(func(x *file) error {
		ids = ids[:0]
		for _, r := range records {
			if r.Quiet() {
				if err := x.removeQuiet(r.Key); err != nil {
					return err
				}
			}
			x.Last++
			r.ID = x.Last
			ids = append(ids, r.ID)
			x.Records++
			if err := x.put(r.bounded(l.opts.MaxValue)); err != nil {
				return err
			}
		}
		return x.evict(l.opts)
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// removeQuiet removes the quiet record of a key.
func (x *file) removeQuiet(key []byte) error {
	return x.each(Filter{Key: key}, func(id uint64) (more bool, err error) {
		r, err := x.get(id)
		if err != nil || !bytes.Equal(r.Key, key) || !r.Quiet() {
			return true, err
		}
		return false, x.remove(r)
	})
}

func (x *file) evict(o Options) error {
	for x.Records > o.MaxRecords || x.Bytes > o.MaxBytes {
		oldest, _ := x.resolved.Cursor().First()
		if oldest == nil {
			oldest, _ = x.open.Cursor().First()
			x.Lost++
		}
		if oldest == nil {
			return damagef("%d records have no ID", x.Records)
		}
		r, err := x.get(binary.BigEndian.Uint64(oldest))
		if err != nil {
			return err
		}
		if err := x.remove(r); err != nil {
			return err
		}
		x.Evicted++
	}
	return nil
}

// Resolve closes an open record, durably. How says what somebody decided. A
// record that is resolved already stays as it is; ErrNotFound: there is none.
func (l *Ledger) Resolve(id uint64, how string) error {
	return l.write(func(x *file) error { return x.resolve(id, how) })
}

// Settle resolves all open records of a key, durably. None is no error.
func (l *Ledger) Settle(key []byte, how string) error {
	if len(key) == 0 {
		return nil // no key has no bytes
	}
	open := Filter{Key: key, Open: true}
	if found, err := l.List(open); err != nil || len(found) == 0 {
		return err
	}
	return l.write(func(x *file) error {
		return x.each(open, func(id uint64) (more bool, err error) {
			if r, err := x.get(id); err != nil || !open.matches(r) {
				return true, err
			}
			return true, x.resolve(id, how)
		})
	})
}

func (x *file) resolve(id uint64, how string) error {
	r, err := x.get(id)
	if err != nil || !r.Open {
		return err
	}
	r.Open = false
	r.Resolved = &Resolution{How: boundedText(how), Time: time.Now().UTC()}
	return x.put(r)
}
