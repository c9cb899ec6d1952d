package importer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// byHand has the applier see an edit by somebody with a name.
func (s *site) byHand(who, key, value string) (revision int64) {
	s.t.Helper()
	s.edit(key, value)
	revision = s.revision()
	g := glimpse{[]target.Local{{Key: []byte(key), Value: []byte(value), Revision: revision, By: who}}, revision}
	if err := s.dealWith(s.t.Context(), g); err != nil {
		s.t.Fatal(err)
	}
	return revision
}

func (s *site) last(key string) ledger.Record {
	s.t.Helper()
	r, found, err := s.im.ledger.Last([]byte(key))
	if err != nil || !found {
		s.t.Fatalf("nothing is on record of %s: %v", key, err)
	}
	return r
}

// What both sides changed is on record with the edge's edit, however often the
// source changes it, and whatever was written of it.
func TestMeetingHasTheEdgesEditOnRecord(t *testing.T) {
	for policy, change := range map[conflict.Policy]string{conflict.EdgeWins: "local", conflict.HoldPolicy: "local", conflict.MergePolicy: `{"a":2,"b":1}`} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSite(t, policy)
			s.replicate(5, putOf("/flags/01", `{"a":1,"b":1}`))
			s.look()
			at := s.byHand("kubectl", "/flags/01", change)
			if r := s.last("/flags/01"); r.Meeting || r.LocalRevision != at || r.By != "kubectl" {
				t.Errorf("of the edit is on record %+v", r)
			}
			for revision := range int64(3) {
				s.replicate(7+revision, putOf("/flags/01", fmt.Sprintf(`{"a":1,"b":%d}`, 7+revision)))
				if r := s.last("/flags/01"); !r.Meeting || r.SourceRevision != 7+revision || r.LocalRevision != at || r.By != "kubectl" {
					t.Errorf("of revision %d is on record %+v", 7+revision, r)
				}
			}
		})
	}
}

// Edits of ignored fields are one record, which says what was replicated last, and
// are listed when somebody asks for them.
func TestEditsOfIgnoredFieldsAreOneRecord(t *testing.T) {
	s := newSite(t, conflict.SourceWins, conflict.Ignore{Paths: []string{"spec.replicas"}, When: conflict.OnEdgeChange})
	s.replicate(5, putOf("/flags/01", `{"spec":{"image":"a","replicas":1}}`))
	s.look()
	s.edit("/flags/01", `{"spec":{"image":"mine","replicas":1}}`)
	s.look()
	for i := range 5 {
		s.edit("/flags/01", fmt.Sprintf(`{"spec":{"image":"a","replicas":%d}}`, 2+i))
		s.look()
	}
	for ignored, want := range map[bool]int{false: 1, true: 2} {
		if got, _, err := s.im.Conflicts(command.Query{Ignored: ignored}); err != nil || len(got) != want {
			t.Errorf("told are %d, want %d: %+v, %v", len(got), want, got, err)
		}
	}
	source := putOf("/flags/01", `{"spec":{"image":"b","replicas":1}}`)
	s.replicate(6, source)
	s.wantValue("/flags/01", `{"spec":{"image":"b","replicas":6}}`)
	s.wantEqual(source)
}

// What is too large to be on record cannot be merged, and that is said.
func TestMergeOfWhatIsTooLargeSaysSo(t *testing.T) {
	s := newSite(t, conflict.MergePolicy)
	object := func(a, b int) string {
		return fmt.Sprintf(`{"a":%d,"b":%d,"text":"%s"}`, a, b, strings.Repeat("x", 70_000))
	}
	s.replicate(5, putOf("/flags/01", object(1, 1)))
	s.look()
	s.edit("/flags/01", object(2, 1))
	s.look()
	s.replicate(7, putOf("/flags/01", object(1, 2)))
	want := fmt.Sprintf("it has %d bytes, and of a value 65536 are kept on record", len(object(1, 1)))
	if r := s.last("/flags/01"); r.Outcome != conflict.Hold || !strings.Contains(r.Reason, want) {
		t.Errorf("%s because %s, want %s", r.Outcome, r.Reason, want)
	}
	if p := s.im.Status().Parked; len(p) != 1 || !strings.Contains(p[0].Reason, want) {
		t.Errorf("waiting are %+v", p)
	}
}
