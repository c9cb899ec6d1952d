package command

import (
	"time"

	"github.com/syncer-io/syncer/conflict/ledger"
)

// State is how far a task is.
type State string

// The states of a task.
const (
	Waiting State = "waiting" // for another task, or for the exporter's answer
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed" // Reason says why; nothing was changed halfway that the next comparison would not find
)

// Ended reports whether the task will not change any more.
func (s State) Ended() bool { return s == Done || s == Failed }

// Task is what an edge tells of one command. Keys are delivered keys.
type Task struct {
	ID     string `json:"id"`
	Verb   Verb   `json:"verb"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // of a failed task
	Try    string `json:"try,omitempty"`
	// Safety tells that the task ended because the mass-delete guard parked
	// deletes.
	Safety bool `json:"safety,omitempty"`

	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`

	// Revision of the source at which the two sides were compared.
	Revision int64 `json:"revision,omitempty"`
	// What was found: keys that are equal, that are missing or different at
	// the target, and that only the target has. What is not compared is not counted.
	Equal  uint64 `json:"equal"`
	Put    uint64 `json:"put"`
	Delete uint64 `json:"delete"`
	// Bytes is what the differing keys and values amount to before
	// compression.
	Bytes int64 `json:"bytes"`
	// BytesDone is how much of Bytes has arrived.
	BytesDone int64 `json:"bytesDone"`
	// Transfer is what Bytes take on the link, as the data compressed so far.
	Transfer int64 `json:"transferBytes"`
	// Speed is what was measured of the link to this edge, in bytes per second;
	// 0 when nothing was measured yet.
	Speed float64 `json:"bytesPerSecond,omitempty"`
	// Parked is how many keys of the scope wait for somebody and so are not
	// compared.
	Parked int `json:"parked,omitempty"`
	// Local is how many hold what the edge made of them, as their rules say: they
	// are not compared either, and wait for nobody.
	Local int `json:"local,omitempty"`

	// Samples are some of the keys that differ, of Diff and Verify.
	Samples []Sample `json:"samples,omitempty"`
	// Groups are what Approve, Retry and Drop were carried out for.
	Groups []string `json:"groups,omitempty"`
	// ParkedKeys are the keys that Parked tells of, in order, of about
	// MaxParkedKeys bytes at most. Of the tasks of a report only the newest holds
	// any: whoever misses some asks again from the last one on.
	ParkedKeys [][]byte `json:"parkedKeys,omitempty"`
	// Conflicts are what Conflicts found, newest first, made by Tell.
	Conflicts []ledger.Record `json:"conflicts,omitempty"`
	// More tells that there are other keys or conflicts.
	More bool `json:"more,omitempty"`
	// Keys are how many keys Resolve was carried out for.
	Keys int `json:"keys,omitempty"`
}

// The ways in which a key differs.
const (
	Missing   = "missing"   // the source has it
	Extra     = "extra"     // the target has it
	Different = "different" // both have it, with other values
)

// MaxSamples bounds the samples of a task.
const MaxSamples = 100

// MaxParkedKeys bounds the bytes of the keys that Parked tells of at once.
const MaxParkedKeys = 24 << 10

// Sample is one key that differs.
type Sample struct {
	How string `json:"how"`
	Key []byte `json:"key"`
}

// ETA is how long the rest will take at the measured speed; ok is false when
// that is not known.
func (t Task) ETA() (time.Duration, bool) {
	if t.Speed <= 0 {
		return 0, false
	}
	left := float64(t.Transfer)
	if t.Bytes > 0 {
		left *= float64(max(t.Bytes-t.BytesDone, 0)) / float64(t.Bytes)
	}
	return time.Duration(left / t.Speed * float64(time.Second)), true
}
