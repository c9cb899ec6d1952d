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

// An edge that is proven equal and writes nothing more puts edits right in its next
// session too, whether or not that finds its hub.
func TestNextSessionKnowsFromWhereToWatch(t *testing.T) {
	s := newSite(t, conflict.SourceWins)
	if err := s.known(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.im.closeSight()
	s.sight, s.cursor.Seen = nil, 0
	if err := s.refresh(t.Context()); err != nil { // as the cursor of a new edge
		t.Fatal(err)
	}
	if err := s.proven(t.Context(), taken{Frame: change.Frame{Last: s.position}}); err != nil {
		t.Fatal(err)
	}
	from := s.sight.seen
	cursor, found, _, err := s.target.Load(t.Context())
	if err != nil || !found || cursor.Seen != from || from == 0 {
		t.Errorf("the cursor says that edits are known up to %d, the watch began at %d: %v", cursor.Seen, from, err)
	}
}
