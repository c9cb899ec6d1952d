package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
)

// A report that the hub would not take makes a healthy edge look disconnected.
func TestReportFitsWhateverItTellsOf(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 1<<20)
	e := Edge{Name: "store-1", State: Halted}
	for i := range 8 {
		k := command.Task{ID: fmt.Sprint(i), State: command.Done, Put: 1000}
		for range command.MaxSamples {
			k.Samples = append(k.Samples, command.Sample{How: command.Missing, Key: bytes.Repeat([]byte("k"), 300)})
		}
		e.Tasks = append(e.Tasks, k)
	}
	for i := range MaxParked {
		e.Parked = append(e.Parked, Parked{ID: fmt.Sprint(i), Why: TooLarge, Keys: 10, Sample: [][]byte{long, []byte("short")}})
	}
	raw, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > MaxReport {
		t.Fatalf("the report has %d bytes", len(raw))
	}
	var got Edge
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Tasks) != 8 || len(got.Parked) != MaxParked || got.Tasks[0].Put != 1000 || got.Parked[0].Keys != 10 {
		t.Errorf("more than samples was left out: %d tasks, %d groups", len(got.Tasks), len(got.Parked))
	}
	if len(got.Tasks[7].Samples) == 0 {
		t.Error("no sample was left in")
	}
	if len(e.Tasks[0].Samples) != command.MaxSamples || len(e.Parked[0].Sample) != 2 {
		t.Error("the report itself was changed")
	}
}

// Conflicts that an edge was asked for leave room for all else.
func TestReportWithConflictsFits(t *testing.T) {
	value := ledger.Of(conflict.Some(bytes.Repeat([]byte("v"), 8<<10)))
	var found []ledger.Record
	for i := range command.MaxConflicts {
		found = append(found, ledger.Record{ID: uint64(i + 1), Key: bytes.Repeat([]byte("k"), 1000), Reason: string(bytes.Repeat([]byte("r"), 3000))})
	}
	e := Edge{Name: "store-1", Tasks: []command.Task{
		{ID: "list", State: command.Done, Conflicts: found},
		{ID: "show", State: command.Done, Conflicts: []ledger.Record{{ID: 1, Base: value, Edge: value, Source: value}}},
		{ID: "large", State: command.Done, Conflicts: []ledger.Record{{ID: 1, Key: bytes.Repeat([]byte("k"), 1<<20), Edge: value}}},
	}}
	raw, err := e.Encode()
	if err != nil || len(raw) > MaxReport {
		t.Fatalf("%v, the report has %d bytes", err, len(raw))
	}
	var got Edge
	if err := json.Unmarshal(raw, &got); err != nil || len(got.Tasks) != 3 {
		t.Fatalf("%v, %d tasks", err, len(got.Tasks))
	}
	list, show := got.Tasks[0], got.Tasks[1]
	if len(list.Conflicts) == 0 || !list.More || list.Conflicts[0].ID != 1 || len(show.Conflicts) != 1 {
		t.Errorf("%d are listed, %d shown", len(list.Conflicts), len(show.Conflicts))
	}
	if len(e.Tasks[0].Conflicts) != command.MaxConflicts || e.Tasks[1].Conflicts[0].Edge.Truncated {
		t.Error("the report itself was changed")
	}
}

func TestReportThatFitsIsWhole(t *testing.T) {
	e := Edge{Name: "store-1", Tasks: []command.Task{{ID: "t", Samples: []command.Sample{{How: command.Extra, Key: []byte("k")}}}}}
	raw, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(e)
	if err != nil || !bytes.Equal(raw, whole) {
		t.Errorf("got %s, want %s (%v)", raw, whole, err)
	}
}
