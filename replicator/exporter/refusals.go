package exporter

import (
	"errors"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// refusals is what a hub said again and again about the end of the stream. A
// hub whose store was damaged can tell one end when it is asked and demand
// another one of whoever publishes, for ever.
type refusals struct {
	expected, ends uint64
	count          int
}

// manyRefusals is how often the hub has to contradict itself before it is
// taken at its second word: the first times it may be a leader that is gone.
const manyRefusals = 3

// learn takes the end of a term.
func (r *refusals) learn(err error) {
	var m *jetstream.Mismatch
	if !errors.As(err, &m) {
		*r = refusals{}
		return
	}
	if m.Expected != r.expected || m.Ends != r.ends {
		*r = refusals{expected: m.Expected, ends: m.Ends}
	}
	r.count++
}

// end is where the next message has to say that the stream ends, of which the
// hub tells that it ends at last. Two exporters stay apart: both are held
// against the same demand. What the message is stored behind, its hash tells.
func (r *refusals) end(last uint64) uint64 {
	if r.count >= manyRefusals && r.expected == last {
		return r.ends
	}
	return last
}
