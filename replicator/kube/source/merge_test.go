package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

func put(t *testing.T, m *merge, lane int, rev int64) {
	t.Helper()
	if err := m.put(t.Context(), lane, etcd.Event{Key: fmt.Appendf(nil, "%d", lane), ModRevision: rev}, 1); err != nil {
		t.Fatal(err)
	}
}

// taken is what the sink gets now: "5:0,1 7:1 =8" is lanes 0 and 1 at 5, lane 1
// at 7, and resolved 8.
func taken(m *merge) string {
	b, size, ok := m.tryTake()
	if !ok {
		return ""
	}
	m.release(size)
	var out []string
	for _, r := range b.Revisions {
		var lanes []string
		for _, e := range r.Events {
			lanes = append(lanes, string(e.Key))
		}
		out = append(out, fmt.Sprintf("%d:%s", r.Revision, strings.Join(lanes, ",")))
	}
	return strings.Join(append(out, fmt.Sprint("=", b.Resolved)), " ")
}

func wantTaken(t *testing.T, m *merge, want string) {
	t.Helper()
	if got := taken(m); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMergeWaitsForAllLanes(t *testing.T) {
	m := newMerge(2, 100, 4)
	put(t, m, 0, 5)
	wantTaken(t, m, "=4") // a sign of life
	put(t, m, 1, 5)
	put(t, m, 1, 7)
	wantTaken(t, m, "=4") // lane 0 may have more of 5
	m.pass(0, 8)
	wantTaken(t, m, "5:0,1 =6")
	m.pass(1, 9)
	wantTaken(t, m, "7:1 =8")
	m.pass(0, 3) // an old bookmark
	wantTaken(t, m, "=8")
	wantTaken(t, m, "")
}

func TestMergeAsksLanesThatLag(t *testing.T) {
	m := newMerge(2, 100, 4)
	put(t, m, 0, 6)
	if !m.behind(0) || !m.behind(1) || len(m.lanes[0].hurry) != 1 || len(m.lanes[1].hurry) != 1 {
		t.Error("nobody is asked to pass 6")
	}
	m.pass(0, 6)
	if m.behind(0) || !m.behind(1) {
		t.Error("lane 0 has passed 6, and lane 1 has not")
	}
}

func TestReopenedLaneBringsItsLastRevisionAgain(t *testing.T) {
	m := newMerge(1, 100, 4)
	put(t, m, 0, 5)
	put(t, m, 0, 6)
	if at := m.reopen(0); at != 5 {
		t.Errorf("the lane goes on behind %d", at)
	}
	put(t, m, 0, 6)
	m.pass(0, 6)
	wantTaken(t, m, "5:0 6:0 =6")
	if m.size != 0 {
		t.Errorf("%d bytes are held", m.size)
	}
}

func TestLateEventIsNotTaken(t *testing.T) {
	m := newMerge(1, 100, 4)
	m.pass(0, 6)
	if err := m.put(t.Context(), 0, etcd.Event{ModRevision: 6}, 1); !errors.Is(err, errLate) {
		t.Errorf("got %v", err)
	}
}

// A lane that is ahead waits when the merge is full, and the one that all wait
// for does not: else nothing would ever move.
func TestFullMergeTakesOnlyWhatAllWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMerge(2, 3, 4)
		for rev := int64(5); rev < 8; rev++ {
			put(t, m, 0, rev)
		}
		done := make(chan error, 1)
		go func() { done <- m.put(context.Background(), 0, etcd.Event{Key: []byte("0"), ModRevision: 8}, 1) }()
		synctest.Wait()
		if len(done) > 0 {
			t.Error("a full merge took an event that is ahead")
		}
		put(t, m, 1, 6) // passes 5, which becomes ready
		blocked := make(chan error, 1)
		go func() { blocked <- m.put(context.Background(), 1, etcd.Event{Key: []byte("1"), ModRevision: 9}, 1) }()
		synctest.Wait()
		if len(blocked) > 0 {
			t.Error("a full merge took an event while the sink has something to take")
		}
		wantTaken(t, m, "5:0 =5")
		synctest.Wait()
		if len(blocked) == 0 {
			t.Error("the lane that all wait for is held back")
		}
		wantTaken(t, m, "6:0,1 =6") // lane 0 has passed 6
		synctest.Wait()
		if len(done) == 0 || <-done != nil || <-blocked != nil {
			t.Error("the lane that was ahead still waits")
		}
	})
}

func TestWaitingLaneEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMerge(2, 1, 4)
		put(t, m, 0, 5)
		put(t, m, 0, 6) // all wait for lane 1, lane 0 is at 5
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.put(ctx, 0, etcd.Event{ModRevision: 7}, 1) }()
		synctest.Wait()
		cancel(errBroken)
		synctest.Wait()
		if err := <-done; !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
}
