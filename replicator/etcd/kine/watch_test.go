package kine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// watched is what a watch gave, until it saw a revision.
func (b *bench) watched(from, until int64) (writes []target.Local) {
	b.t.Helper()
	enough := errors.New("enough")
	err := b.Watch(b.t.Context(), ranges, from, func(locals []target.Local, seen int64) error {
		writes = append(writes, locals...)
		if seen >= until {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		b.t.Fatal(err)
	}
	return writes
}

func TestWatchGivesWhatOthersWrote(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	from := b.commit(put("/a/1", "one"), put("/a/2", "two"))
	var want []string
	for i := range 20 {
		b.commit(put("/a/1", fmt.Sprint("ours ", i)), put("/b/1", fmt.Sprint("ours ", i)))
		rev := b.foreign("/a/2", fmt.Sprint("theirs ", i))
		b.foreign("/c/2", "elsewhere")
		want = append(want, fmt.Sprintf("/a/2 theirs %d at %d", i, rev))
	}
	_, mod, err := b.Get(t.Context(), []byte("/a/2"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.server.Client().Txn(t.Context()).If(clientv3.Compare(clientv3.ModRevision("/a/2"), "=", mod)).
		Then(clientv3.OpDelete("/a/2")).Else(clientv3.OpGet("/a/2")).Commit()
	if err != nil || !resp.Succeeded {
		t.Fatal(resp, err)
	}
	want = append(want, fmt.Sprintf("/a/2 deleted at %d", resp.Header.Revision))
	var got []string
	for _, l := range b.watched(from, resp.Header.Revision) {
		if l.Deleted {
			got = append(got, fmt.Sprintf("%s deleted at %d", l.Key, l.Revision))
			continue
		}
		got = append(got, fmt.Sprintf("%s %s at %d", l.Key, l.Value, l.Revision))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	value, found, err := b.Before(t.Context(), []byte("/a/2"), resp.Header.Revision)
	if err != nil || !found || string(value) != "theirs 19" {
		t.Errorf("before that it was %q, %v, %v", value, found, err)
	}
}

// A write of ours never looks like one of somebody else, however fast its event
// is.
func TestWatchBesideOurWrites(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	from := b.commit()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var until int64
	written := make(chan int64, 1)
	watching := make(chan error, 1)
	go func() {
		watching <- b.Watch(ctx, ranges, from, func(locals []target.Local, seen int64) error {
			for _, l := range locals {
				t.Errorf("%s at %d is foreign", l.Key, l.Revision)
			}
			select {
			case until = <-written:
			default:
			}
			if until != 0 && seen >= until {
				stop()
			}
			return nil
		})
	}()
	var last int64
	for i := range 200 {
		last = b.commit(put(fmt.Sprintf("/a/%d", i%7), fmt.Sprint(i)))
	}
	written <- last
	if err := <-watching; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWatchSaysWhatIsCompacted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	from := b.commit(put("/a/1", "one"))
	b.foreign("/a/1", "theirs")
	last := b.commit(put("/a/1", "two"))
	for range 3 {
		last = b.commit(put("/a/2", fmt.Sprint(last)))
	}
	if _, err := b.server.Client().Compact(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	err := b.Watch(t.Context(), ranges, from, func([]target.Local, int64) error { return nil })
	if !errors.Is(err, target.ErrCompacted) {
		t.Errorf("got %v, want ErrCompacted", err)
	}
	if _, _, err := b.Before(t.Context(), []byte("/a/1"), from); !errors.Is(err, target.ErrCompacted) {
		t.Errorf("got %v, want ErrCompacted", err)
	}
	b.commit(put("/a/1", "three"), put("/a/3", "new"))
	b.want("/a/", map[string]string{"/a/1": "three", "/a/2": b.content("/a/2")["/a/2"], "/a/3": "new"})
}
