package control

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// keeper is an importer with a ledger.
type keeper struct {
	importer
	*ledger.Ledger
}

func (k *keeper) Conflicts(q command.Query) ([]ledger.Record, bool, error) { return q.Find(k.Ledger) }

func TestConflictsAreTold(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "conflicts.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	record := ledger.Record{
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Key: []byte("/a\xff b&c"), Type: conflict.UpdateDirty, Outcome: conflict.Hold, Open: true,
		Edge: ledger.Of(conflict.Some([]byte("edge"))),
	}
	other := record
	other.Key, other.Open = []byte("/b"), false
	if _, err := l.Append(record, other); err != nil {
		t.Fatal(err)
	}
	serving(t, dir, &keeper{Ledger: l})
	client := answering(t, dir)
	got, err := client.Conflicts(t.Context(), command.Query{Key: record.Key, Open: true, Limit: 1, Values: true})
	record.ID = 1
	if err != nil || got.More || len(got.Conflicts) != 1 || !reflect.DeepEqual(got.Conflicts[0], record) {
		t.Errorf("%v, %+v", err, got)
	}
	if got, err := client.Conflicts(t.Context(), command.Query{Limit: 1}); err != nil || !got.More || got.Conflicts[0].ID != 2 {
		t.Errorf("%v, %+v", err, got)
	}
	for _, tt := range []struct {
		q      command.Query
		reason string
	}{
		{command.Query{Record: 7}, "conflict 7: no such record"},
		{command.Query{Limit: 1000}, "1000 conflicts at once, at most 100"},
	} {
		if _, err := client.Conflicts(t.Context(), tt.q); fault.ExitCode(err) != int(fault.Usage) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%v (exit code %d)", err, fault.ExitCode(err))
		}
	}
	if _, err := client.do(t.Context(), "GET", conflictsPath+"?opne=true", nil); err == nil || !strings.Contains(err.Error(), "opne") {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Conflicts(t.Context(), command.Query{}); fault.ExitCode(err) != int(fault.Unreachable) {
		t.Error(err)
	}
}

func TestAnImporterWithoutALedgerSaysSo(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, &importer{})
	if _, err := answering(t, dir).Conflicts(t.Context(), command.Query{}); fault.ExitCode(err) != int(fault.Usage) {
		t.Error(err)
	}
}

func FuzzReadQuery(f *testing.F) {
	f.Add("prefix=/a/&open=true&ignored=true&limit=7")
	f.Add("key=%ff&values=true&limit=1&since=2026-03-01T12:00:00Z")
	f.Add("record=1&before=2&type=group")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := readQuery(raw)
		if err != nil {
			return
		}
		again, err := readQuery(writeQuery(q))
		if err != nil || writeQuery(again) != writeQuery(q) {
			t.Errorf("%q: %v, %+v, %+v", raw, err, q, again)
		}
	})
}
