package change_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
)

// Hubs and inboxes keep frames for days, and both sides are upgraded at
// different times: what format 1 was on the day it froze, it stays. The files
// are rewritten only while a format is not released:
//
//	go test ./replicator/change -run Fixture -update
var update = flag.Bool("update", false, "write the wire fixtures anew")

const fixtures = "../../testdata/wire/format-1"

// fixture is one frame with what its body holds. The frame is cut into parts
// when parts is more than one. check holds a body against what it must be.
type fixture struct {
	name  string
	frame change.Frame
	parts int
	raw   []byte
	check func(t *testing.T, raw []byte)
}

func fixtureOf[T any](name string, parts int, f change.Frame, body T, encode func(T) []byte, decode func([]byte) (T, error)) fixture {
	check := func(t *testing.T, raw []byte) {
		t.Helper()
		got, err := decode(raw)
		if err != nil || !reflect.DeepEqual(got, body) {
			t.Errorf("body is %+v, %v, want %+v", got, err, body)
		}
		if again := encode(got); !bytes.Equal(again, raw) {
			t.Errorf("body is written as %x, was %x", again, raw)
		}
	}
	return fixture{name: name, parts: parts, frame: f, raw: encode(body), check: check}
}

func allFixtures(t *testing.T) []fixture {
	t.Helper()
	lineage, err := change.ParseLineage("aebagbafaydqqcik")
	if err != nil {
		t.Fatal(err)
	}
	header := func(kind change.Kind, prev, first, last int64, request string) change.Frame {
		f := change.Frame{
			Kind: kind, Channel: "flags", Lineage: lineage, Prev: prev, First: first, Last: last,
			Sent: time.UnixMicro(1_700_000_000_123_456).UTC(), Writer: "exporter-0", Request: request,
		}
		if prev != 0 {
			f.PrevHash = change.HashOf([]byte("the message before"))
		}
		return f
	}
	state := change.State{SourceRevision: 1_000_000_007, Count: 3, Sum: change.HashOf([]byte("sum")), Bytes: 4096, Policy: "9f86d081884c7d65"}
	reset := change.State{SourceRevision: 41, Sum: [32]byte{}, Policy: "9f86d081884c7d65", Reason: "first frame: köpa"}
	open := header(change.KindChanges, 41, 41, 43, "")
	open.Open = true

	return []fixture{
		fixtureOf("changes", 1, open, []change.Changeset{
			{Revision: 42, Changes: []change.Change{
				{Op: change.Put, Key: []byte("/flags/dark-mode"), Value: []byte(`{"on":true}`)},
				{Op: change.Put, Key: []byte("/flags/empty")},
				{Op: change.Delete, Key: []byte("/flags/\x00\xff")},
			}},
			{Revision: 43},
			{Revision: 1 << 40, Partial: true, Changes: []change.Change{{Op: change.Put, Key: []byte("/k"), Value: bytes.Repeat([]byte("v"), 300)}}},
		}, change.EncodeChanges, change.DecodeChanges),
		fixtureOf("heartbeat", 1, header(change.KindHeartbeat, 43, 50, 50, ""), state, change.EncodeState, change.DecodeState),
		fixtureOf("reset", 1, header(change.KindReset, 0, 41, 41, ""), reset, change.EncodeState, change.DecodeState),
		fixtureOf("page", 1, header(change.KindPage, 50, 50, 50, "r-17"), []change.PageRange{
			{Hi: []byte("/flags/m"), Count: 64, Digest: [16]byte{1, 2, 3, 15: 16}, Bytes: 65536},
			{Hi: []byte("/flags/\xff"), Count: 1, Digest: [16]byte{0xff}, Bytes: 9},
			{Digest: [16]byte{4}},
		}, change.EncodePage, change.DecodePage),
		fixtureOf("chunk", 2, header(change.KindChunk, 50, 52, 52, "r-17"), change.Chunk{
			Range: change.Range{Lo: []byte("/flags/"), Hi: []byte("/flags0")},
			KVs: []change.KV{
				{Key: []byte("/flags/a"), Value: []byte("on")},
				{Key: []byte("/flags/b")},
			},
		}, change.EncodeChunk, change.DecodeChunk),
		fixtureOf("sparse", 1, header(change.KindChunk, 50, 52, 52, "r-18"), change.Chunk{
			Range: change.Range{Lo: []byte("/flags/"), Hi: []byte("/flags0")}, Sparse: true, Gone: change.Marks{0x81, 0x02},
			KVs: []change.KV{{Key: []byte("/flags/a"), Value: []byte("off")}},
		}, change.EncodeChunk, change.DecodeChunk),
		fixtureOf("finding", 1, header(change.KindFinding, 50, 52, 52, "r-19"), change.Finding{
			Range: change.Range{Lo: []byte("/flags/"), Hi: []byte("/flags0")}, Count: 64, Put: 2, Bytes: 2048,
			Keys: [][]byte{[]byte("/flags/a"), []byte("/flags/b")}, Gone: change.Marks{0x01}, KeyPrints: []byte("abcdefgh"),
		}, change.EncodeFinding, change.DecodeFinding),
		fixtureOf("command", 1, header(change.KindCommand, 50, 52, 52, "c-1"), []byte(`{"format":1,"id":"c-1","verb":"pause"}`), change.EncodeCommand, change.DecodeCommand),
	}
}

// file is the path of one part.
func (x fixture) file(part int) string {
	name := x.name
	if x.parts > 1 {
		name += "." + string(rune('0'+part))
	}
	return filepath.Join(fixtures, name+".hex")
}

// Today's code reads the frozen messages as what they were written from, and
// writes the same bytes.
func TestFixtures(t *testing.T) {
	for _, x := range allFixtures(t) {
		t.Run(x.name, func(t *testing.T) {
			if *update {
				x.freeze(t)
			}
			raw, err := change.Decompress(x.thaw(t))
			if err != nil {
				t.Fatal(err)
			}
			x.check(t, raw)
		})
	}
}

// thaw checks each part's header and gives the joined body.
func (x fixture) thaw(t *testing.T) []byte {
	t.Helper()
	var body []byte
	for part := range x.parts {
		message := readHex(t, x.file(part))
		got, err := change.DecodeFrame(message)
		if err != nil {
			t.Fatal(err)
		}
		if again := change.EncodeFrame(got); !bytes.Equal(again, message) {
			t.Errorf("part %d is written as\n%x\nwas\n%x", part, again, message)
		}
		want := x.frame
		want.Part, want.Parts, want.Body = uint32(part), uint32(x.parts), got.Body
		if !reflect.DeepEqual(got, want) {
			t.Errorf("part %d is\n%+v\nwant\n%+v", part, got, want)
		}
		body = append(body, got.Body...)
	}
	return body
}

func (x fixture) freeze(t *testing.T) {
	t.Helper()
	body, err := change.Compress(x.raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(fixtures, 0o755); err != nil {
		t.Fatal(err)
	}
	for part := range x.parts {
		f := x.frame
		f.Part, f.Parts = uint32(part), uint32(x.parts)
		f.Body = body[part*len(body)/x.parts : (part+1)*len(body)/x.parts]
		writeHex(t, x.file(part), change.EncodeFrame(f))
	}
}

// The files are hexadecimal, 32 bytes a line: a change shows in a review.
func readHex(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

func writeHex(t *testing.T, path string, b []byte) {
	t.Helper()
	var text strings.Builder
	for len(b) > 0 {
		n := min(32, len(b))
		text.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
