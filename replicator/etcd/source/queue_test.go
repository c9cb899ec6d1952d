package source

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

func TestQueueMergesProgressAndCountsWhatIsTaken(t *testing.T) {
	q := newQueue(100, 4)
	q.resolve(5)
	q.resolve(6)
	q.put(Revision{Revision: 7, Events: make([]Event, 1)}, 60)
	q.resolve(9)
	q.resolve(8)
	if q.full(40) || !q.full(41) {
		t.Error("a queue of 100 with 60 takes 40 and no more")
	}
	b, size, ok := q.take(nil)
	if !ok || size != 60 || b.Resolved != 9 || len(b.Revisions) != 1 {
		t.Fatalf("took %+v of %d bytes, %v", b, size, ok)
	}
	if !q.full(41) {
		t.Error("what the sink works on counts")
	}
	q.release(size)
	if q.full(1000) {
		t.Error("a revision that is alone has room")
	}
	q.close()
	if _, _, ok := q.take(nil); ok || q.end() != 9 {
		t.Errorf("a closed and empty queue gave something, or ends at %d", q.end())
	}
}

func response(fragment bool, events ...*mvccpb.Event) *pb.WatchResponse {
	return &pb.WatchResponse{Header: &pb.ResponseHeader{Revision: 100}, Fragment: fragment, Events: events}
}

func event(key string, rev int64) *mvccpb.Event {
	return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte("v"), ModRevision: rev}}
}

// A revision that is divided over fragments is handed over whole.
func TestAssemblerJoinsFragments(t *testing.T) {
	q := newQueue(1<<20, 0)
	a := &assembler{sel: newSelection(prefixes("a")), queue: q}
	for i, resp := range []*pb.WatchResponse{
		response(true, event("a1", 1), event("a2", 2)),
		response(true, event("a3", 2)),
		response(true, event("b", 2), event("b", 3)),
		response(false, event("a4", 4)),
		response(false),
	} {
		if err := a.add(resp); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	b, _, _ := q.take(nil)
	want := "1: put a1=v\n2: put a2=v put a3=v\n4: put a4=v\n"
	if got := text(b.Revisions); got != want || b.Resolved != 100 {
		t.Fatalf("got\n%sresolved %d, want\n%s", got, b.Resolved, want)
	}
}

// A server that promised too much has lost the order; what it sends now can
// no longer be placed.
func TestAssemblerRefusesEventsBehindAPromise(t *testing.T) {
	a := &assembler{sel: newSelection(prefixes("a")), queue: newQueue(1<<20, 0)}
	if err := a.add(response(false)); err != nil {
		t.Fatal(err)
	}
	var w *WentBack
	if err := a.add(response(false, event("a", 100))); !errors.As(err, &w) || w.Was != 100 {
		t.Fatalf("got %v", err)
	}
}

func TestSelectionContainsWhatItsRangesContain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.ByteRange('a', 'd'), 0, 3)
		cuts := rapid.SliceOfN(key, 0, 8).Draw(t, "cuts")
		slices.SortFunc(cuts, slices.Compare)
		var ranges []change.Range
		for i := 0; i+1 < len(cuts); i += 2 {
			ranges = append(ranges, change.Range{Lo: cuts[i], Hi: cuts[i+1]})
		}
		ranges = slices.DeleteFunc(ranges, func(r change.Range) bool { return len(r.Hi) == 0 })
		rand.Shuffle(len(ranges), func(i, j int) { ranges[i], ranges[j] = ranges[j], ranges[i] })
		sel := newSelection(ranges)
		k := key.Draw(t, "key")
		want := slices.ContainsFunc(ranges, func(r change.Range) bool { return r.Contains(k) })
		if sel.contains(k) != want {
			t.Fatalf("contains(%q) is %v in %v", k, !want, sel)
		}
		if want && !sel.covering().Contains(k) {
			t.Fatalf("%q is selected but not covered by %v", k, sel.covering())
		}
	})
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		r        change.Range
		key, end string
		ok       bool
	}{
		{change.Range{}, "\x00", "\x00", true},
		{change.Range{Lo: []byte("a")}, "a", "\x00", true},
		{change.Range{Hi: []byte("b")}, "\x00", "b", true},
		{change.Range{Lo: []byte("a"), Hi: []byte("b")}, "a", "b", true},
		{change.Range{Hi: []byte("\x00")}, "", "", false},
		{change.Range{Lo: []byte("b"), Hi: []byte("b")}, "", "", false},
	} {
		if key, end, ok := bounds(c.r); key != c.key || end != c.end || ok != c.ok {
			t.Errorf("%v: %q..%q %v", c.r, key, end, ok)
		}
	}
}
