package exporter

import (
	"errors"
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/replicator/jetstream"
)

// Only a hub that says the same thing again and again is taken at its word, and
// only about the end that it told when it was asked.
func TestRefusalsThatRepeat(t *testing.T) {
	refused := func(expected, ends uint64) error {
		return fmt.Errorf("term: %w", &jetstream.Mismatch{Expected: expected, Ends: ends})
	}
	var r refusals
	for i := range manyRefusals {
		if got := r.end(40); got != 40 {
			t.Fatalf("after %d refusals the stream is taken to end at %d", i, got)
		}
		r.learn(refused(40, 42))
	}
	if got := r.end(40); got != 42 {
		t.Errorf("after %d refusals the stream is still taken to end at %d", manyRefusals, got)
	}
	if got := r.end(41); got != 41 {
		t.Errorf("the stream grew to 41, and is taken to end at %d", got)
	}
	for name, other := range map[string]error{
		"another reason": errors.New("no leader"), "another end": refused(40, 43), "another expectation": refused(41, 42),
	} {
		was := r
		was.learn(other)
		if got := was.end(40); got != 40 {
			t.Errorf("after %s the stream is taken to end at %d", name, got)
		}
	}
}
