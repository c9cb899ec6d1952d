package target

import (
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

// An audit finds what somebody else wrote, and counts, however many keys we
// wrote ourselves since the last look.
func TestAuditFindsForeignWrites(t *testing.T) {
	b := newBench(t)
	fill(t, b.cli, append(names("/a/", 2*auditKeys+1), names("/b/", 10)...)...)
	ranges := []change.Range{change.PrefixRange([]byte("/a/")), change.PrefixRange([]byte("/b/"))}
	since := b.revision()
	own := map[int64]bool{}
	for _, key := range []string{"/a/00003", "/b/00001"} {
		rev, err := b.Commit(t.Context(), Tx{Changes: puts([]string{key})})
		if err != nil {
			t.Fatal(err)
		}
		own[rev] = true
	}
	look := func(want string) {
		t.Helper()
		for _, written := range []int{2, auditKeys + 1} {
			found, err := b.Audit(t.Context(), ranges, since, written, func(rev int64) bool { return own[rev] })
			if err != nil || string(found.Foreign) != want || found.Count != 2*auditKeys+11 || found.Revision != b.revision() {
				t.Errorf("written %d: foreign %q, count %d, revision %d of %d, %v; want %q",
					written, found.Foreign, found.Count, found.Revision, b.revision(), err, want)
			}
		}
	}
	look("")
	fill(t, b.cli, "/a/07000")
	look("/a/07000")
}
