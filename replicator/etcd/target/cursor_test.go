package target

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// frozen is what version 1 looks like in etcd. Later versions read it too.
const frozen = `{"format":1,"source":"cloud","channel":"shop","lineage":"aebagbafaydqqcik","revision":42,` +
	`"chain":"00ff","seq":7,"consistent":true,"torn":43,"tornCount":2,"owner":"edge-7","policy":"p1",` +
	`"updated":"2026-01-02T03:04:05Z","session":"s","write":9}`

func TestCursorFormat(t *testing.T) {
	want := record{
		Cursor: Cursor{
			Format: 1, Source: "cloud", Channel: "shop", Lineage: change.Lineage{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Revision: 42,
			Chain: []byte{0, 0xff}, Seq: 7, Consistent: true, Torn: 43, TornCount: 2, Owner: "edge-7", Policy: "p1",
			Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		Session: "s", Write: 9,
	}
	raw, err := want.encode()
	if err != nil || string(raw) != frozen {
		t.Errorf("wrote %s, %v", raw, err)
	}
	got, err := decodeRecord(key, []byte(frozen))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := got.encode(); err != nil || string(again) != frozen {
		t.Errorf("read and wrote %s, %v", again, err)
	}
}

// A cursor that we cannot read stops us, wherever it turns up.
func TestUnreadableCursorStops(t *testing.T) {
	b := newBench(t)
	for _, raw := range []string{
		``, `{`, `[]`, `{}`, `{"format":2,"source":"cloud","channel":"shop"}`,
		`{"format":1,"source":"other","channel":"shop"}`, `{"format":1,"source":"cloud","channel":"shop","revision":-1}`,
		`{"format":1,"source":"cloud","channel":"shop","chain":"zz"}`,
	} {
		if _, err := b.cli.Put(t.Context(), key.String(), raw); err != nil {
			t.Fatal(err)
		}
		_, _, _, lerr := b.Load(t.Context())
		_, cerr := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/a", "v")}})
		_, _, merr := b.Claim(t.Context(), "importer", func(c Cursor, _ bool) (Cursor, error) { return c, nil })
		for _, err := range []error{lerr, cerr, merr} {
			if fault.ExitCode(err) != int(fault.Safety) {
				t.Errorf("%s: got %v, want a safety stop", raw, err)
			}
			if overtaken(err) {
				t.Errorf("%s: %v hides that it is unreadable", raw, err)
			}
		}
	}
	if len(b.content()) != 0 {
		t.Error("something was written")
	}
}

// FuzzCursor: no input panics, and what is read can be written and read again.
func FuzzCursor(f *testing.F) {
	f.Add([]byte(frozen))
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":99999999999999999999}`))
	f.Add([]byte(`{"format":1,"source":"cloud","channel":"shop","updated":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decodeRecord(key, raw)
		if err != nil {
			var known *fault.Error
			if !errors.As(err, &known) {
				t.Errorf("no remedy in %v", err)
			}
			return
		}
		once, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(key, once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s, %v", once, twice, err)
		}
	})
}
