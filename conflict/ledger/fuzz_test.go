package ledger

import (
	"bytes"
	"hash/crc32"
	"testing"
)

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []Record{record("/a"), held("/b\xff")} {
		r.ID = 1
		b, err := encodeRecord(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(b[:recordHeader])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeRecord(1, b)
		// Past the checksum, which a fuzzer would not find.
		if len(b) < recordHeader {
			return
		}
		text := b[recordHeader:]
		sum := crc32.Checksum(text, castagnoli)
		sealed := append([]byte{recordFormat, byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, text...)
		r, err := decodeRecord(1, sealed)
		if err != nil {
			return
		}
		again, err := encodeRecord(r)
		if err != nil {
			t.Fatalf("%+v cannot be written again: %v", r, err)
		}
		read, err := decodeRecord(1, again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := encodeRecord(read); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%v\n got %s\nwant %s", err, third, again)
		}
		_ = r.bounded(16)
	})
}
