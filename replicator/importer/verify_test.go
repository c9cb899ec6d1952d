package importer

import (
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// The watch of the target may turn out to be lost just when the target is about to
// be called equal: it is read again before.
func TestProofWhileTheWatchIsLost(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	if err := s.known(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := s.table.Digest()
	if err := s.setConsistent(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.sight.close()
	s.sight.ended, s.sight.err = true, fmt.Errorf("for a test: %w", target.ErrCompacted)
	if err := s.confirm(t.Context(), taken{Frame: change.Frame{Last: s.position}}, want); err != nil {
		t.Fatal(err)
	}
	if !s.cursor.Consistent || s.table == nil || s.table.Digest() != want {
		t.Error("what is equal was not found to be")
	}
}
