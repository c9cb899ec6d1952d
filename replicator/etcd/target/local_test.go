package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
)

// watching collects what a Watch from a revision gives, until the test ends.
type watching struct {
	b      *bench
	writes chan []Local
	seen   chan int64
}

func (b *bench) watch(from int64) *watching {
	b.t.Helper()
	w := &watching{b: b, writes: make(chan []Local, 100), seen: make(chan int64, 1000)}
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Watch(ctx, []change.Range{change.PrefixRange([]byte("/app/"))}, from, func(l []Local, seen int64) error {
			if len(l) > 0 {
				w.writes <- l
			}
			w.seen <- seen
			return nil
		})
	}()
	b.t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.t.Errorf("the watch ended with %v", err)
		}
	})
	return w
}

// until waits until the watch has seen a revision.
func (w *watching) until(revision int64) {
	w.b.t.Helper()
	for seen := int64(0); seen < revision; {
		select {
		case seen = <-w.seen:
		case <-w.b.t.Context().Done():
			w.b.t.Fatalf("revision %d was not seen", revision)
		}
	}
}

func (w *watching) got() []string {
	var out []string
	for {
		select {
		case l := <-w.writes:
			for _, e := range l {
				what := string(e.Value)
				if e.Deleted {
					what = "deleted"
				}
				out = append(out, fmt.Sprintf("%s=%s", e.Key, what))
			}
		default:
			return out
		}
	}
}

func wantWrites(t *testing.T, w *watching, want ...string) {
	t.Helper()
	if got := w.got(); !slices.Equal(got, want) {
		t.Errorf("writes of others: %v, want %v", got, want)
	}
}

// Only what others wrote is told, in its order: also of the time before the
// watch, and of commits without a cursor.
func TestWatchTellsOfOthersOnly(t *testing.T) {
	b := newBench(t)
	from := b.commit(1, put("/app/a", "1"), put("/app/b", "1"))
	b.edit("/app/a", "local")
	if _, err := b.Commit(t.Context(), Tx{Changes: []change.Change{put("/app/c", "1")}}); err != nil {
		t.Fatal(err)
	}
	b.edit("/elsewhere", "x")
	b.remove("/app/b")
	b.commit(2, put("/app/a", "2"))
	w := b.watch(from)
	w.until(b.revision())
	wantWrites(t, w, "/app/a=local", "/app/b=deleted")

	for i := range 20 {
		b.commit(int64(i+3), put("/app/a", fmt.Sprint(i)))
	}
	b.edit("/app/c", "late")
	b.commit(50, put("/app/d", "1"))
	w.until(b.revision())
	wantWrites(t, w, "/app/c=late")
}

// A key that is released is its owner's.
func TestWatchIsSilentAboutReleasedKeys(t *testing.T) {
	b := newBench(t)
	b.commit(1, put("/app/a", "1"), put("/app/b", "1"))
	from := b.commit(2, releaseOf("/app/a"))
	w := b.watch(from)
	b.edit("/app/a", "mine")
	b.edit("/app/b", "dirty")
	w.until(b.revision())
	wantWrites(t, w, "/app/b=dirty")
}

func TestWatchOfCompactedHistory(t *testing.T) {
	b := newBench(t)
	from := b.commit(1, put("/app/a", "1"))
	b.edit("/app/a", "local")
	rev := b.commit(2, put("/app/z", "1"))
	if _, err := b.cli.Compact(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	err := b.Watch(t.Context(), []change.Range{change.PrefixRange([]byte("/app/"))}, from, func([]Local, int64) error { return nil })
	if !errors.Is(err, ErrCompacted) {
		t.Errorf("got %v", err)
	}
	if _, _, err := b.Before(t.Context(), []byte("/app/a"), from); !errors.Is(err, ErrCompacted) {
		t.Errorf("got %v", err)
	}
}

func TestBeforeIsWhatStoodThere(t *testing.T) {
	b := newBench(t)
	b.commit(1, put("/app/a", "ours"))
	b.edit("/app/a", "local")
	_, rev, err := b.Get(t.Context(), []byte("/app/a"))
	if err != nil {
		t.Fatal(err)
	}
	value, found, err := b.Before(t.Context(), []byte("/app/a"), rev)
	if string(value) != "ours" || !found || err != nil {
		t.Errorf("%q, %t, %v", value, found, err)
	}
	if _, found, err = b.Before(t.Context(), []byte("/app/none"), rev); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
}

// A target that was wiped is not asked for ever for what it told of before.
func TestBeforeOfAnotherHistoryEnds(t *testing.T) {
	b := newBench(t)
	b.edit("/app/a", "local")
	_, rev, err := b.Get(t.Context(), []byte("/app/a"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := b.Before(ctx, []byte("/app/a"), rev+100); err == nil || ctx.Err() != nil {
		t.Errorf("what stood before a revision that is not there: %v", err)
	}
}

// C1: a local write that comes in between fails the commit, of few keys and of
// many, and nothing is written.
func TestDirtyCommitWritesNothing(t *testing.T) {
	for _, n := range []int{1, 60, 5_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := newBench(t)
			keys := names("/app/", n)
			at := b.commit(1, puts(keys)...)
			b.edit(keys[n/2], "local")
			before := b.content()
			tx := Tx{Changes: puts(keys), Cursor: &Cursor{Revision: 2}, Newest: func([]byte) int64 { return at }}
			_, err := b.Commit(t.Context(), tx)
			var dirty *Dirty
			if !errors.As(err, &dirty) || dirty.Revision < at+1 {
				t.Fatalf("got %v, want a local write above %d", err, at)
			}
			if len(b.content()) != n || b.content()[keys[0]].modRev != before[keys[0]].modRev {
				t.Error("something was written")
			}
			tx.Newest = func([]byte) int64 { return dirty.Revision }
			if _, err := b.Commit(t.Context(), tx); err != nil {
				t.Errorf("with the local write known: %v", err)
			}
		})
	}
}
