package status

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
)

// MaxReport bounds an encoded report in bytes. The hub takes no message that is
// much larger, and an edge whose reports are not taken looks disconnected.
const MaxReport = 60 << 10

// Encode is the report for the hub, of at most MaxReport bytes. Keys and
// conflicts, which may be long, are left out until it fits, where there are most
// of them first; then the oldest tasks that have ended. Counts stay as they are.
func (e Edge) Encode() ([]byte, error) {
	e.Tasks, e.Parked = slices.Clone(e.Tasks), slices.Clone(e.Parked)
	for {
		raw, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode the status of edge %s: %w", e.Name, err)
		}
		over, freed := len(raw)-MaxReport, 0
		for freed < over {
			n := e.shrink()
			if n == 0 {
				break
			}
			freed += n
		}
		if freed == 0 {
			return raw, nil
		}
	}
}

// shrink leaves something out and gives about the bytes that this saves; 0 when
// there is nothing left to leave out.
func (e *Edge) shrink() int {
	largest, halve := 0, func() {}
	for i := range e.Tasks {
		t := &e.Tasks[i]
		if size := samplesSize(t.Samples); size > largest {
			largest, halve = size, func() { t.Samples = t.Samples[:len(t.Samples)/2] }
		}
		if size := keysSize(t.ParkedKeys); size > largest {
			largest, halve = size, func() { t.ParkedKeys, t.More = t.ParkedKeys[:len(t.ParkedKeys)/2], true }
		}
		if size := conflictsSize(t.Conflicts); size > largest {
			largest, halve = size, func() { t.Conflicts, t.More = command.Fewer(t.Conflicts), true }
		}
	}
	for i := range e.Parked {
		p := &e.Parked[i]
		if size := keysSize(p.Sample); size > largest {
			largest, halve = size, func() { p.Sample = p.Sample[:len(p.Sample)/2] }
		}
	}
	if largest > 0 {
		halve()
		return max(largest/2, 1)
	}
	i := slices.IndexFunc(e.Tasks, func(t command.Task) bool { return t.State.Ended() })
	if i < 0 {
		return 0
	}
	e.Tasks = slices.Delete(e.Tasks, i, i+1)
	return 1
}

func conflictsSize(records []ledger.Record) int {
	size := 0
	for _, r := range records {
		size += command.ToldSize(r)
	}
	return size
}

func samplesSize(samples []command.Sample) int {
	size := 0
	for _, s := range samples {
		size += base64.StdEncoding.EncodedLen(len(s.Key)) + len(s.How) + 20
	}
	return size
}

func keysSize(keys [][]byte) int {
	size := 0
	for _, k := range keys {
		size += base64.StdEncoding.EncodedLen(len(k)) + 3
	}
	return size
}
