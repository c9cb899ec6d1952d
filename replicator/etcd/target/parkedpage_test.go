package target

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

func compressed(t testing.TB, raw string) string {
	t.Helper()
	body, err := change.Compress([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// frozenPage is what version 1 looks like in etcd, before compression. Later
// versions read it too.
const frozenPage = `{"format":1,"group":{"why":"mass-delete","rule":"flags","reason":"42 %","revision":7,"of":100,` +
	`"since":"2026-01-02T03:04:05Z","dropped":true,"pages":1,"keys":2},` +
	`"keys":[{"key":"L2E=","sum":"0100000000000000000000000000000000000000000000000000000000000000","present":true,"size":9},{"key":"AP8="}]}`

func TestParkedFormat(t *testing.T) {
	want := Parked{
		ID: "a", Why: "mass-delete", Rule: "flags", Reason: "42 %", Revision: 7, Of: 100,
		Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Dropped: true,
		Keys: []ParkedKey{
			{Key: []byte("/a"), Put: true, Sum: [32]byte{1}, Present: true, Size: 9},
			{Key: []byte{0, 0xff}},
		},
	}
	raw, err := json.Marshal(page{Format: ParkedFormat, Group: want.head(1), Keys: cutKeys(want.Keys, mostParkedPage)[0]})
	if err != nil || string(raw) != frozenPage {
		t.Errorf("wrote %s, %v", raw, err)
	}
	r := &groupReader{prefix: "p/"}
	if err := r.read([]change.KV{{Key: []byte("p/a/W-000000"), Value: []byte(compressed(t, frozenPage))}}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil || len(r.groups) != 1 || !reflect.DeepEqual(r.groups[0], want) {
		t.Errorf("read %+v, %v", r.groups, err)
	}
}

// However long the keys are, a page is as large as it may be, and holds more
// than one key only when they fit.
func TestCutKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(1, 4000).Draw(t, "room")
		var keys []ParkedKey
		for range rapid.IntRange(0, 60).Draw(t, "keys") {
			k := ParkedKey{
				Key: make([]byte, rapid.IntRange(0, 300).Draw(t, "length")),
				Put: rapid.Bool().Draw(t, "put"), Present: rapid.Bool().Draw(t, "present"), Size: rapid.Uint64().Draw(t, "size"),
			}
			keys = append(keys, k)
		}
		var back []ParkedKey
		for _, part := range cutKeys(keys, room) {
			raw, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) > room && len(part) > 1 {
				t.Fatalf("%d keys in %d bytes, room for %d", len(part), len(raw), room)
			}
			back = append(back, page{Keys: part}.keys()...)
		}
		if len(back) != len(keys) || len(keys) > 0 && !reflect.DeepEqual(back, keys) {
			t.Fatal("keys changed")
		}
	})
}

// FuzzParkedPage: no input panics, and what is read can be written and read
// again.
func FuzzParkedPage(f *testing.F) {
	f.Add([]byte(compressed(f, frozenPage)))
	f.Add([]byte(compressed(f, `{"format":1,"keys":[{"key":null,"sum":""}]}`)))
	f.Add([]byte(compressed(f, `{"format":2}`)))
	f.Add([]byte(frozenPage))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := decodePage(value)
		if err != nil {
			return
		}
		once, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodePage(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("written as %x, then as %x, %v", once, twice, err)
		}
	})
}

// FuzzParsePageKey: what is read is the key that was given.
func FuzzParsePageKey(f *testing.F) {
	f.Add([]byte("p/a/W-000000"))
	f.Add([]byte("p/a/W-0000001"))
	f.Add([]byte("p/a/b/W-000000\n"))
	f.Fuzz(func(t *testing.T, key []byte) {
		k, err := parsePageKey("p/", key)
		if err == nil && !bytes.HasSuffix(key, pageName(k.id, k.writing, k.page)) {
			t.Errorf("%q is read as %+v", key, k)
		}
	})
}
