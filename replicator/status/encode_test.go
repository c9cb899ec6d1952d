package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

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
