package wal

import (
	"bytes"
	"os"
	"testing"
)

func FuzzDecodeRecord(f *testing.F) {
	f.Add(recordKey(1), appendRecord(nil, 1, []byte("payload")))
	f.Add(recordKey(1<<63), appendRecord(nil, 1<<63, nil))
	f.Add(recordKey(2), appendRecord(nil, 1, []byte("another's checksum")))
	f.Add([]byte{}, []byte{})
	f.Add(recordKey(1), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var j joiner
		if _, ok, err := j.add(key, value); ok || err != nil {
			return
		}
		r, ok, err := j.end()
		if err != nil {
			return
		}
		if !ok || !bytes.Equal(key, recordKey(r.Seq)) || !bytes.Equal(value, appendRecord(nil, r.Seq, r.Data)) {
			t.Fatalf("%x %x is read as %d %x", key, value, r.Seq, r.Data)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	f.Add(state{first: 1, next: 1}.encode())
	f.Add(state{first: 3, next: 70, bytes: 4711}.encode())
	f.Add(state{first: 2, next: 1}.encode())
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err == nil && (!bytes.Equal(b, s.encode()) || s.first > s.next) {
			t.Fatalf("%x is read as %+v", b, s)
		}
	})
}

// FuzzAudit changes a sound file in two places and cuts or extends it: whatever
// the audit accepts must be the beginning of what was written.
func FuzzAudit(f *testing.F) {
	path, want := sample(f)
	whole, err := os.ReadFile(path)
	mustDo(f, err)
	f.Add(uint32(0), []byte{}, uint32(0), []byte{}, uint32(len(whole)))
	f.Add(uint32(16), []byte{0, 0, 0, 0}, uint32(4112), []byte{0, 0, 0, 0}, uint32(len(whole)))
	f.Add(uint32(8192), bytes.Repeat([]byte{0xff}, 64), uint32(12288), bytes.Repeat([]byte{0xff}, 64), uint32(len(whole)))
	f.Add(uint32(0), whole[4096:8192], uint32(4096), whole[:4096], uint32(len(whole)))
	f.Add(uint32(0), []byte{}, uint32(0), []byte{}, uint32(20000))
	f.Fuzz(func(t *testing.T, at uint32, put []byte, at2 uint32, put2 []byte, size uint32) {
		b := make([]byte, min(int(size), 2*len(whole)))
		copy(b, whole)
		copy(b[min(int(at), len(b)):], put)
		copy(b[min(int(at2), len(b)):], put2)
		var got []Record
		a, err := auditBytes(bytes.NewReader(b), int64(len(b)), func(r Record) error {
			got = append(got, Record{Seq: r.Seq, Data: bytes.Clone(r.Data)})
			return nil
		})
		if err == nil && a.damage == nil && uint64(len(got)) != a.state.count() {
			t.Fatalf("%d records, the state is %+v", len(got), a.state)
		}
		isBeginning(t, got, want)
	})
}
