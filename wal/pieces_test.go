package wal

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// A commit writes what is new, and little of what is there: flash at the edge
// wears with what is written.
func TestLargeRecordsAreWrittenOnce(t *testing.T) {
	const records, size = 40, 200 << 10
	l := open(t, logPath(t), Options{})
	stats := func() int64 {
		s := l.db.Stats()
		return s.TxStats.GetPageAlloc()
	}
	before := stats()
	for range records {
		last := mustAppend(t, l, make([]byte, size))
		mustDo(t, l.TruncateBelow(last-min(last-1, 3)))
	}
	if wrote := stats() - before; wrote > records*size*5/4 {
		t.Errorf("%d bytes were written for %d", wrote, records*size)
	}
}

func TestPiecesThatDoNotFitAreDamage(t *testing.T) {
	bytesOf := func(seq uint64) []byte { return payload(seq, 5*pieceSize) }
	for name, tampered := range map[string]func(*bbolt.Bucket) error{
		"middle missing": func(b *bbolt.Bucket) error { return b.Delete(pieceKey(2, 2)) },
		"end missing":    func(b *bbolt.Bucket) error { return b.Delete(pieceKey(2, 5)) },
		"one too many":   func(b *bbolt.Bucket) error { return b.Put(pieceKey(2, 6), []byte("more")) },
		"hole":           func(b *bbolt.Bucket) error { return b.Put(pieceKey(2, 9), []byte("more")) },
		"beginning missing": func(b *bbolt.Bucket) error {
			return b.Delete(recordKey(2))
		},
		"number 0": func(b *bbolt.Bucket) error { return b.Put(append(recordKey(2), 0, 0, 0, 0), []byte("more")) },
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			l := open(t, path, Options{})
			for range 3 {
				mustAppend(t, l, bytesOf(l.Next()))
			}
			mustDo(t, l.Close())
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
			mustDo(t, err)
			mustDo(t, db.Update(func(tx *bbolt.Tx) error { return tampered(records(tx)) }))
			mustDo(t, db.Close())

			var corrupt *CorruptError
			if _, err := Verify(path, nil); !errors.As(err, &corrupt) || corrupt.Seq != 2 {
				t.Errorf("verify: %v", err)
			}
			l, found, err := Open(path, Options{})
			mustDo(t, err)
			defer func() { mustDo(t, l.Close()) }()
			got, err := l.Read(0, 1<<30)
			mustDo(t, err)
			whole := len(got) > 0 && bytes.Equal(got[0].Data, bytesOf(1))
			if !found.Damaged() || !whole || len(got) > 2 || len(got) == 2 && !bytes.Equal(got[1].Data, bytesOf(2)) {
				t.Errorf("%v: %d records are left", found, len(got))
			}
		})
	}
}
