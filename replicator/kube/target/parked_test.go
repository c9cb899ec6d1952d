package target

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

func TestGroupsAreParkedBesideTheCursor(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.mustCommit(1, namespace(e.ns))
	small := target.Parked{ID: "1-Small.x", Why: status.Waiting, Reason: "words", Try: "wait", Revision: 1, Since: time.Unix(1, 0).UTC(),
		Keys: []target.ParkedKey{{Key: []byte("/k\xff"), Put: true, Sum: [32]byte{1}, Present: true, Size: 7}}}
	large := target.Parked{ID: "2-large", Why: status.MassDelete, Rule: "r", Of: 9, Revision: 2, Since: time.Unix(2, 0).UTC(), Dropped: true}
	for i := range 40_000 { // more than one ConfigMap holds
		large.Keys = append(large.Keys, target.ParkedKey{Key: fmt.Appendf(nil, "/kubernetes/%d/%x", i, sumOf(fmt.Append(nil, i)))})
	}
	for range 2 { // the second time takes the place of the first
		if err := e.Park(t.Context(), []target.Parked{small, large}); err != nil {
			t.Fatal(err)
		}
	}
	e.crash()
	got, err := e.Parked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []target.Parked{small, large}; !reflect.DeepEqual(got, want) {
		t.Errorf("%d groups, the first is %+v", len(got), got[0])
	}
	if err := e.Unpark(t.Context(), []string{large.ID, "none"}); err != nil {
		t.Fatal(err)
	}
	if got, err = e.Parked(t.Context()); err != nil || len(got) != 1 || got[0].ID != small.ID {
		t.Errorf("left are %d groups, %v", len(got), err)
	}
	maps, err := e.plane.Client().List(t.Context(), "configmaps", Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if l := m.GetLabels(); l[labelChannel] == e.key.Channel && l[labelAbout] == aboutParked && m.GetName() != e.groupName(small.ID) {
			t.Errorf("%s is left over", m.GetName())
		}
	}
}

func TestAReleasedObjectIsTheEdgesOwn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c := configMap(e.ns, "c", "1")
	e.mustCommit(1, namespace(e.ns), c)
	released := change.Change{Op: change.Put, Key: c.Key, Value: change.Released}
	e.mustCommit(2, released)
	e.edit(c, `{"data":{"a":"theirs"}}`)
	for _, lost := range []bool{false, true} {
		if lost {
			if _, err := e.inventory.fit(about{}); err != nil { // which empties it
				t.Fatal(err)
			}
			e.crash()
		}
		if got := e.holds()[string(c.Key)]; got != string(change.Released) {
			t.Errorf("inventory lost %t: it is scanned as %q", lost, got)
		}
	}
	e.mustCommit(3, remove(c))
	if e.live(c) == nil {
		t.Error("the edge's own object is deleted")
	}
	if _, ok := e.holds()[string(c.Key)]; ok {
		t.Error("it is released still")
	}
	e.mustCommit(4, released)
	e.mustCommit(5, configMap(e.ns, "c", "2"))
	if got := e.holds()[string(c.Key)]; got != string(configMap(e.ns, "c", "2").Value) {
		t.Errorf("taken back it is scanned as %q", got)
	}
	e.mustCommit(6, released)
	if err := e.Disown(t.Context(), e.ranges()); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.holds()[string(c.Key)]; ok {
		t.Error("it is released after it was disowned")
	}
}

func TestAChunkIsReplaced(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	same, other, extra, next := configMap(e.ns, "b", "1"), configMap(e.ns, "c", "1"), configMap(e.ns, "d", "1"), configMap(e.ns, "e", "1")
	e.mustCommit(1, namespace(e.ns), same, other, extra)
	bad := delivered(thing("v1", "ConfigMap", e.ns, "f", map[string]any{"nonsense": 1}))
	c := target.Chunk{Range: change.PrefixRange([]byte("/kubernetes/configmaps/" + e.ns + "/")), Hold: true}
	for _, want := range []change.Change{same, configMap(e.ns, "c", "2"), next, bad} {
		c.Want = append(c.Want, change.KV{Key: want.Key, Value: want.Value})
	}
	done, err := e.Replace(t.Context(), c)
	if no := rejected(t, err); no[string(bad.Key)].Why != status.Rejected {
		t.Errorf("refused: %+v", no)
	}
	if len(done.Put) != 2 || len(done.Deleted) != 1 || string(done.Deleted[0]) != string(extra.Key) || done.Unchanged != 1 {
		t.Errorf("done: %+v", done)
	}
	if e.live(extra) == nil {
		t.Error("what was held is deleted")
	}
	c.Hold, c.Want = false, c.Want[:3]
	if done, err = e.Replace(t.Context(), c); err != nil || len(done.Put) != 0 || len(done.Deleted) != 1 {
		t.Errorf("done: %+v, %v", done, err)
	}
	if e.live(extra) != nil {
		t.Error("what is extra stays")
	}
}
