package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
)

func recordOf(key, edge string) ledger.Record {
	return ledger.Record{
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Key: []byte(key), Type: conflict.UpdateDirty, Outcome: conflict.Hold, Open: true,
		Base: ledger.Of(conflict.Some([]byte("base"))), Edge: ledger.Of(conflict.Some([]byte(edge))), Source: ledger.Of(conflict.Value{}),
	}
}

func ledgerOf(t *testing.T, records ...ledger.Record) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "conflicts.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if _, err := l.Append(records...); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFind(t *testing.T) {
	l := ledgerOf(t, recordOf("/a", "1"), recordOf("/b", "2"), recordOf("/a", "3"))
	for _, tt := range []struct {
		q      command.Query
		want   []uint64
		more   bool
		values bool
	}{
		{command.Query{}, []uint64{3, 2, 1}, false, false},
		{command.Query{Limit: 2}, []uint64{3, 2}, true, false},
		{command.Query{Limit: 2, Before: 2}, []uint64{1}, false, false},
		{command.Query{Key: []byte("/a"), Limit: 1, Values: true}, []uint64{3}, true, true},
		{command.Query{Record: 2}, []uint64{2}, false, true},
		{command.Query{Prefix: []byte("/x")}, []uint64{}, false, false},
	} {
		found, more, err := tt.q.Find(l)
		got := []uint64{}
		for _, r := range found {
			got = append(got, r.ID)
			if (r.Edge.Bytes != nil) != tt.values {
				t.Errorf("%+v: the value is %q", tt.q, r.Edge.Bytes)
			}
		}
		if err != nil || !slices.Equal(got, tt.want) || more != tt.more {
			t.Errorf("%+v: %v, %d, more %t", tt.q, err, got, more)
		}
	}
	if _, _, err := (command.Query{Record: 9}).Find(l); !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
}

// The values of what may be a Secret stay where they are.
func TestSecretsAreNotTold(t *testing.T) {
	for _, secret := range []ledger.Record{
		recordOf("/kubernetes/secrets/shop/db", "hunter2"),
		recordOf("/elsewhere", `{"apiVersion":"v1","kind":"Secret","data":{"p":"hunter2"}}`),
		recordOf("/elsewhere", `{"data":{"p":"hunter2"},"kind":"\u0053ecret"}`),
		recordOf("/elsewhere", "k8s\x00\n\x0c\n\x02v1\x12\x06Secret hunter2"),
		recordOf("/elsewhere", `{"apiVersion":"v1","kind":"Secret","data":{"p":"hunter2`),
	} {
		found, _, err := command.Query{Record: 1}.Find(ledgerOf(t, secret))
		text, _ := json.Marshal(found)
		if err != nil || len(found[0].Edge.Bytes)+len(found[0].Base.Bytes) > 0 || !found[0].Edge.Truncated || found[0].Edge.Hash == "" {
			t.Errorf("%v, %s", err, text)
		}
	}
	found, _, err := command.Query{Record: 1}.Find(ledgerOf(t, recordOf("/a", `{"kind":"ConfigMap","data":{"a":"Secret"}}`)))
	if err != nil || len(found[0].Edge.Bytes) == 0 {
		t.Errorf("%v, %+v", err, found)
	}
}

func TestTellBoundsValues(t *testing.T) {
	long := recordOf("/a", strings.Repeat("x", 100<<10))
	told := command.Tell([]ledger.Record{long})
	if e := told[0].Edge; len(e.Bytes) > 10<<10 || !e.Truncated || e.Size != 100<<10 {
		t.Errorf("%d bytes, %+v", len(e.Bytes), e.Truncated)
	}
	if len(long.Edge.Bytes) != 100<<10 || long.Edge.Truncated {
		t.Error("the record itself was changed")
	}
	for n := 0; len(told) > 0; n++ {
		if told = command.Fewer(told); n > 10 {
			t.Fatal("there is always one left")
		}
	}
}

func TestCheckOfConflicts(t *testing.T) {
	keys := func(n int) (out [][]byte) {
		for i := range n {
			out = append(out, []byte(fmt.Sprint("/", i)))
		}
		return out
	}
	resolve := func(change func(*command.Command)) command.Command {
		c := command.New(command.Resolve)
		c.Keys, c.Take = keys(1), command.TakeSource
		change(&c)
		return c
	}
	ask := func(q command.Query) command.Command {
		c := command.New(command.Conflicts)
		c.Query = &q
		return c
	}
	for wrong, c := range map[string]command.Command{
		"":                                    resolve(func(*command.Command) {}),
		"names the keys":                      resolve(func(c *command.Command) { c.Keys = nil }),
		"resolve names the keys":              resolve(func(c *command.Command) { c.Keys = [][]byte{{}} }),
		"1001 keys":                           resolve(func(c *command.Command) { c.Keys = keys(command.MaxKeys + 1) }),
		"1 keys of 100000":                    resolve(func(c *command.Command) { c.Keys = [][]byte{bytes.Repeat([]byte("k"), 100_000)} }),
		`not "newest"`:                        resolve(func(c *command.Command) { c.Take = "newest" }),
		"for one key, not for 2":              resolve(func(c *command.Command) { c.Keys, c.Take = keys(2), command.TakeValue }),
		"a value of 200000":                   resolve(func(c *command.Command) { c.Take, c.Value = command.TakeValue, make([]byte, 200_000) }),
		"a value is given, and edge is taken": resolve(func(c *command.Command) { c.Take, c.Value = command.TakeEdge, []byte("x") }),
		"record 0 is named, and record":       resolve(func(c *command.Command) { c.Take = command.TakeRecord }),
		"record 7 is named, and source":       resolve(func(c *command.Command) { c.Record = 7 }),
		"-1 conflicts":                        ask(command.Query{Limit: -1}),
		"101 conflicts":                       ask(command.Query{Limit: 101}),
		"values of 0 conflicts":               ask(command.Query{Values: true}),
		"prefix of 5000":                      ask(command.Query{Prefix: make([]byte, 5000)}),
	} {
		err := c.Check()
		if wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// The form of a command is a promise to edges of other versions.
func TestResolveTravels(t *testing.T) {
	c := command.Command{Format: command.Format, ID: "x", Verb: command.Resolve, Keys: [][]byte{[]byte("/a\xff")}, Take: command.TakeRecord, Record: 7}
	raw, err := c.Encode()
	const want = `{"format":1,"id":"x","verb":"resolve","keys":["L2H/"],"take":"record","record":7}`
	if err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
	back, err := command.Decode(raw)
	if err != nil || string(back.Keys[0]) != "/a\xff" || back.Record != 7 {
		t.Errorf("%+v, %v", back, err)
	}
	c = command.Command{Format: command.Format, ID: "x", Verb: command.Resolve, Keys: [][]byte{[]byte("/a")}, Take: command.TakeValue}
	if raw, err = c.Encode(); err != nil || c.Check() != nil { // an empty value is one
		t.Errorf("%s, %v, %v", raw, err, c.Check())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"x","verb":"resolve","keys":["L2H/"],"take":"record","record":7}`))
	f.Add([]byte(`{"format":1,"id":"x","verb":"conflicts","query":{"since":"2026-03-01T12:00:00Z","limit":1,"values":true}}`))
	f.Add([]byte(`{"format":1,"id":"x","verb":"verify","prefix":"/a"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := command.Decode(raw)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := command.Decode(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
