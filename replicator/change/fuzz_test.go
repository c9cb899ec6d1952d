package change_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

// seedBodies adds what the frozen frames hold, as a whole and cut off.
func seedBodies(f *testing.F, names ...string) {
	f.Helper()
	f.Add([]byte(nil))
	for _, name := range names {
		var body []byte
		for _, path := range fixtureFiles(f, name) {
			frame, err := change.DecodeFrame(readHex(f, path))
			if err != nil {
				f.Fatal(err)
			}
			body = append(body, frame.Body...)
		}
		raw, err := change.Decompress(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
	}
}

func fixtureFiles(f *testing.F, name string) []string {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join(fixtures, name+"*.hex"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no fixture %s: %v", name, err)
	}
	return paths
}

// stable proves that what decode takes is written in one form, which decode
// takes as well, and that what it refuses it refuses by name.
func stable[T any](t *testing.T, data []byte, decode func([]byte) (T, error), encode func(T) []byte) {
	t.Helper()
	v, err := decode(data)
	if err != nil {
		var format *change.FormatError
		if !errors.Is(err, change.ErrMalformed) && !errors.As(err, &format) {
			t.Fatalf("error is neither malformed nor a format: %v", err)
		}
		return
	}
	first := encode(v)
	if len(first) > 2*len(data)+64 {
		t.Fatalf("%d bytes became %d", len(data), len(first))
	}
	again, err := decode(first)
	if err != nil {
		t.Fatalf("what was written from %+v: %v", v, err)
	}
	if second := encode(again); !bytes.Equal(first, second) {
		t.Fatalf("written as\n%x\nthen as\n%x", first, second)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(good().num(16, 1)))
	f.Add([]byte(message{}.num(1, change.Format+1)))
	for _, path := range fixtureFiles(f, "") {
		f.Add(readHex(f, path))
	}
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeFrame, change.EncodeFrame) })
}

func FuzzDecodeChanges(f *testing.F) {
	seedBodies(f, "changes")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeChanges, change.EncodeChanges) })
}

func FuzzDecodeState(f *testing.F) {
	seedBodies(f, "heartbeat", "reset")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeState, change.EncodeState) })
}

func FuzzDecodePage(f *testing.F) {
	seedBodies(f, "page")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodePage, change.EncodePage) })
}

func FuzzDecodeChunk(f *testing.F) {
	seedBodies(f, "chunk")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeChunk, change.EncodeChunk) })
}

func FuzzDecodeFinding(f *testing.F) {
	seedBodies(f, "finding")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeFinding, change.EncodeFinding) })
}

func FuzzDecodeCommand(f *testing.F) {
	seedBodies(f, "command")
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, change.DecodeCommand, change.EncodeCommand) })
}

func FuzzDecompress(f *testing.F) {
	for _, raw := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("syncer"), 1000)} {
		body, err := change.Compress(raw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(body[:len(body)-1])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := change.Decompress(body)
		switch {
		case err != nil && (!errors.Is(err, change.ErrMalformed) || raw != nil):
			t.Fatalf("gave %d bytes with %v", len(raw), err)
		case len(raw) > change.MaxBody || cap(raw) > 2*change.MaxBody:
			t.Fatalf("gave %d bytes in %d", len(raw), cap(raw))
		}
	})
}

func FuzzParseLineage(f *testing.F) {
	for _, s := range []string{"", "aebagbafaydqqcik", "AEBAGBAFAYDQQCIK", "aaaaaaaaaaaaaaaa", "aebagbaf\naydqqcik"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := change.ParseLineage(s)
		if err != nil {
			return
		}
		if again, err := change.ParseLineage(l.String()); err != nil || again != l {
			t.Fatalf("%q is %s, which is %s, %v", s, l, again, err)
		}
	})
}
