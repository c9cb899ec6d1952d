package target

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// frozen is what version 1 looks like in etcd. Later versions read it too.
const frozen = `{"format":1,"source":"cloud","channel":"shop","lineage":"aebagbafaydqqcik","revision":42,` +
	`"chain":"00ff","seq":7,"consistent":true,"torn":43,"tornCount":2,"owner":"edge-7","policy":"p1",` +
	`"updated":"2026-01-02T03:04:05Z","session":"s","write":9}`

// frozenHolding has the fields that came later. A cursor without them, like
// frozen, reads as not paused and holding nothing.
const frozenHolding = `{"format":1,"source":"cloud","channel":"shop","lineage":"aebagbafaydqqcik","revision":42,` +
	`"consistent":false,"policy":"p1","paused":true,"holds":[{"Lo":"L2Ev","Hi":"L2Ew"},{"Lo":"/w==","Hi":null}],` +
	`"updated":"2026-01-02T03:04:05Z","session":"s","write":9}`

func TestCursorThatHolds(t *testing.T) {
	want := record{
		Cursor: Cursor{
			Format: 1, Source: "cloud", Channel: "shop", Lineage: change.Lineage{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Revision: 42,
			Policy: "p1", Paused: true,
			Holds:   []change.Range{change.PrefixRange([]byte("/a/")), change.PrefixRange([]byte{0xff})},
			Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		Session: "s", Write: 9,
	}
	raw, err := want.encode()
	if err != nil || string(raw) != frozenHolding {
		t.Errorf("wrote %s, %v", raw, err)
	}
	got, err := decodeRecord(key, []byte(frozenHolding))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	old, err := decodeRecord(key, []byte(frozen))
	if err != nil || old.Paused || old.Holds != nil {
		t.Errorf("read %+v, %v", old, err)
	}
}

// The fields are kept by a claim and by what is committed with the cursor that
// it returned, and the room that Split leaves grows with them.
func TestLargeCursor(t *testing.T) {
	b := newBench(t)
	var holds []change.Range
	for _, k := range names("/holds/", 300) {
		holds = append(holds, change.PrefixRange([]byte(k)))
	}
	if _, err := b.Commit(t.Context(), Tx{Cursor: &Cursor{Revision: 1, Paused: true, Holds: holds}}); err != nil {
		t.Fatal(err)
	}
	c, _, err := b.Claim(t.Context(), "importer", func(c Cursor, _ bool) (Cursor, error) { return c, nil })
	if err != nil || !c.Paused || !reflect.DeepEqual(c.Holds, holds) {
		t.Fatalf("claimed %+v, %v", c, err)
	}
	for _, part := range b.Split([]change.Change{sized("/a", 1_540_000), sized("/b", 25_000), sized("/c", 1_500_000)}) {
		if _, err := b.Commit(t.Context(), Tx{Changes: part, Cursor: &c}); err != nil {
			t.Error(err)
		}
	}
	wantRefused(t, b.Target, []change.Change{sized("/a", 1_540_000), sized("/b", 1_565_000)}, "too-large /b")
}

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
	f.Add([]byte(frozenHolding))
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
