package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncer-io/syncer/conflict"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record(key string) Record {
	return Record{
		Time: day, Key: []byte(key), Type: conflict.UpdateDirty, Policy: conflict.SourceWins, Rule: "flags", Outcome: conflict.TakeSource,
		Base: Of(conflict.Some([]byte("base"))), Edge: Of(conflict.Some([]byte("edge"))), Source: Of(conflict.Value{}),
		SourceRevision: 7, LocalRevision: 9,
	}
}

func held(key string) Record {
	r := record(key)
	r.Policy, r.Outcome, r.Open = conflict.HoldPolicy, conflict.Hold, true
	return r
}

func open(t *testing.T, path string, o Options) *Ledger {
	t.Helper()
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func fresh(t *testing.T, o Options) *Ledger {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "conflicts.db"), o)
}

func add(t *testing.T, l *Ledger, records ...Record) []uint64 {
	t.Helper()
	ids, err := l.Append(records...)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func ids(t *testing.T, l *Ledger, f Filter) []uint64 {
	t.Helper()
	records, err := l.List(f)
	if err != nil {
		t.Fatal(err)
	}
	out := []uint64{}
	for _, r := range records {
		out = append(out, r.ID)
	}
	return out
}

func TestAppendAndGet(t *testing.T) {
	l := fresh(t, Options{})
	want := held("/a")
	want.Fields, want.Kept, want.Reason, want.By, want.Group = []string{"a"}, []string{"b"}, "because", "kubectl", 7
	got := add(t, l, want, record("/b"))
	if !slices.Equal(got, []uint64{1, 2}) {
		t.Fatalf("IDs %d", got)
	}
	want.ID = 1
	r, err := l.Get(1)
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, r, want)
	}
	if whole, ok := r.Edge.Value(); !ok || string(whole.Bytes) != "edge" {
		t.Errorf("%+v", whole)
	}
	if whole, ok := r.Source.Value(); !ok || whole.Present {
		t.Errorf("%+v", whole)
	}
	if _, err := l.Get(3); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	l := fresh(t, Options{})
	long := strings.Repeat("/long", 1000)
	later := record("/b")
	later.Time, later.Type = day.Add(time.Hour), conflict.DeleteDirty
	add(t, l, record("/a"), held("/a/b"), later, held("/b"), record(long+"1"), record(long+"2"))
	for _, tt := range []struct {
		name string
		f    Filter
		want []uint64
	}{
		{"all", Filter{}, []uint64{6, 5, 4, 3, 2, 1}},
		{"of a key", Filter{Key: []byte("/a")}, []uint64{1}},
		{"of another key", Filter{Key: []byte("/")}, []uint64{}},
		{"of a long key", Filter{Key: []byte(long + "2")}, []uint64{6}},
		{"of a prefix", Filter{Prefix: []byte("/a")}, []uint64{2, 1}},
		{"of a long prefix", Filter{Prefix: []byte(long)}, []uint64{6, 5}},
		{"open", Filter{Open: true}, []uint64{4, 2}},
		{"open, of a prefix", Filter{Open: true, Prefix: []byte("/a")}, []uint64{2}},
		{"of a type", Filter{Type: conflict.DeleteDirty}, []uint64{3}},
		{"since", Filter{Since: day.Add(time.Minute)}, []uint64{3}},
		{"the newest", Filter{Limit: 2}, []uint64{6, 5}},
		{"the next", Filter{Limit: 2, Before: 5}, []uint64{4, 3}},
		{"before all", Filter{Before: 1}, []uint64{}},
		{"before one to come", Filter{Before: 99, Limit: 1}, []uint64{6}},
		{"the next that is open", Filter{Open: true, Before: 4}, []uint64{2}},
		{"the next of a prefix", Filter{Prefix: []byte("/b"), Before: 4}, []uint64{3}},
	} {
		if got := ids(t, l, tt.f); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	bare, err := l.List(Filter{Bare: true, Limit: 1})
	if err != nil || bare[0].Edge.Bytes != nil || bare[0].Edge.Size != 4 || bare[0].Edge.Hash == "" {
		t.Errorf("%v, %+v", err, bare)
	}
}

func TestResolve(t *testing.T) {
	l := fresh(t, Options{})
	add(t, l, held("/a"), record("/b"))
	for _, how := range []string{"source", "edge"} { // whoever is first decides
		if err := l.Resolve(1, how); err != nil {
			t.Fatal(err)
		}
	}
	r, err := l.Get(1)
	if err != nil || r.Open || r.Resolved == nil || r.Resolved.How != "source" || r.Resolved.Time.IsZero() {
		t.Errorf("%v, %+v", err, r)
	}
	if err := l.Resolve(2, "edge"); err != nil {
		t.Error(err)
	}
	if r, err := l.Get(2); err != nil || r.Resolved != nil {
		t.Errorf("%v, %+v", err, r)
	}
	if err := l.Resolve(3, "edge"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := ids(t, l, Filter{Open: true}); len(got) > 0 {
		t.Errorf("%d are open", got)
	}
}

func TestLastAndSettle(t *testing.T) {
	l := fresh(t, Options{})
	add(t, l, held("/a"), held("/ab"), record("/a"), held("/a"))
	if r, found, err := l.Last([]byte("/a")); err != nil || !found || r.ID != 4 {
		t.Errorf("%v, %+v", err, r)
	}
	if _, found, err := l.Last([]byte("/")); err != nil || found {
		t.Error(err)
	}
	for range 2 {
		if err := l.Settle([]byte("/a"), "source"); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, l, Filter{Open: true}); !slices.Equal(got, []uint64{2}) {
		t.Errorf("open are %d", got)
	}
	if r, err := l.Get(4); err != nil || r.Resolved == nil || r.Resolved.How != "source" {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestValuesAreBounded(t *testing.T) {
	l := fresh(t, Options{MaxValue: 10})
	r := record("/a")
	value := bytes.Repeat([]byte("x"), 100)
	r.Edge = Of(conflict.Some(value))
	r.Reason = strings.Repeat("é", maxText)
	for i := range 2 * maxFields {
		r.Fields = append(r.Fields, fmt.Sprint(i))
	}
	add(t, l, r)
	got, err := l.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	if e := got.Edge; len(e.Bytes) != 10 || !e.Truncated || e.Size != 100 || e.Hash != Of(conflict.Some(value)).Hash {
		t.Errorf("%+v", e)
	}
	if _, whole := got.Edge.Value(); whole {
		t.Error("a part is taken for all of it")
	}
	if got.Base.Truncated || len(got.Reason) > maxText+10 || got.Fields[maxFields] != "and 64 more" {
		t.Errorf("%+v", got)
	}
	if len(r.Fields) != 2*maxFields || len(r.Edge.Bytes) != 100 {
		t.Error("the caller's record was changed")
	}
}

// The oldest resolved records go first, then the oldest open ones.
func TestRecordsAreBounded(t *testing.T) {
	l := fresh(t, Options{MaxRecords: 4})
	add(t, l, held("/1"), record("/2"), held("/3"), record("/4"), record("/5"))
	if got := ids(t, l, Filter{}); !slices.Equal(got, []uint64{5, 4, 3, 1}) {
		t.Errorf("%d", got)
	}
	add(t, l, held("/6"), held("/7"), held("/8"))
	if got := ids(t, l, Filter{}); !slices.Equal(got, []uint64{8, 7, 6, 3}) {
		t.Errorf("%d", got)
	}
	if err := l.Resolve(7, "edge"); err != nil {
		t.Fatal(err)
	}
	add(t, l, record("/9"))
	if got := ids(t, l, Filter{}); !slices.Equal(got, []uint64{9, 8, 6, 3}) {
		t.Errorf("%d", got)
	}
	if got := ids(t, l, Filter{Prefix: []byte("/1")}); len(got) > 0 {
		t.Errorf("%d has left its key behind", got)
	}
	s, err := l.Stats()
	if err != nil || s.Records != 4 || s.Open != 3 || s.Evicted != 5 || s.Lost != 1 {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestBytesAreBounded(t *testing.T) {
	const most = 100 << 10
	l := fresh(t, Options{MaxBytes: most})
	r := record("/a")
	r.Edge = Of(conflict.Some(make([]byte, 10<<10)))
	for range 100 {
		add(t, l, r)
		if s, err := l.Stats(); err != nil || s.Bytes > most {
			t.Fatalf("%v, %+v", err, s)
		}
	}
	if got := ids(t, l, Filter{}); len(got) < 5 || got[0] != 100 {
		t.Errorf("%d", got)
	}
	info, err := os.Stat(l.path)
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, the file has %d bytes", err, info.Size())
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conflicts.db")
	l := open(t, path, Options{})
	add(t, l, record("/a"), held("/b"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(record("/c")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	l = open(t, path, Options{})
	if got := ids(t, l, Filter{}); !slices.Equal(got, []uint64{2, 1}) || len(l.Aside()) > 0 {
		t.Errorf("%d, %s", got, l.Aside())
	}
	if got := add(t, l, record("/c")); got[0] != 3 {
		t.Errorf("ID %d", got)
	}
}

// A file of another process is nobody's to replace.
func TestLocked(t *testing.T) {
	l := fresh(t, Options{})
	if _, err := Open(l.path, Options{}); err == nil || len(l.Aside()) > 0 {
		t.Error(err)
	}
	if _, err := os.Stat(l.path + ".damaged-1"); err == nil {
		t.Error("it was set aside")
	}
}

func TestAllAtOnce(t *testing.T) {
	l := fresh(t, Options{MaxRecords: 20})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 10 {
				got, err := l.Append(held(fmt.Sprint("/", i)), record("/x"))
				if err != nil {
					t.Error(err)
					return
				}
				if err := l.Resolve(got[0], "edge"); err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
				if _, err := l.List(Filter{Prefix: []byte("/")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if s, err := l.Stats(); err != nil || s.Records != 20 || s.Evicted != 60 {
		t.Errorf("%v, %+v", err, s)
	}
}

// A key's changes of nothing but ignored fields take one place, and no conflict's.
func TestOnlyTheNewestQuietRecordOfAKeyStays(t *testing.T) {
	l := fresh(t, Options{MaxRecords: 4})
	quiet := func(key string, revision int64) Record {
		r := record(key)
		r.Type, r.Outcome, r.LocalRevision = conflict.Clean, conflict.KeepEdge, revision
		return r
	}
	decided := quiet("/a", 1)
	decided.Resolved = &Resolution{How: "edge"}
	add(t, l, record("/a"), decided, quiet("/ab", 1), quiet("/a", 1))
	for i := range int64(10) {
		add(t, l, quiet("/a", 2+i))
	}
	if got, want := ids(t, l, Filter{}), []uint64{14, 3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("on record are %v, want %v", got, want)
	}
	if got, want := ids(t, l, Filter{Loud: true}), []uint64{2, 1}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
	if r, _, err := l.Last([]byte("/a")); err != nil || r.LocalRevision != 11 {
		t.Errorf("the last is %+v, %v", r, err)
	}
	if s, err := l.Stats(); err != nil || s.Records != 4 || s.Evicted != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
