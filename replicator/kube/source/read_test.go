package source

import (
	"context"
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// What an edge gets does not depend on how the cluster is read: the same objects
// at the same revisions, and the same bytes of each.
func TestReadsShowWhatEtcdHolds(t *testing.T) {
	p := populated(t, kube.Options{Nodes: 1})
	sel := compile(t, everything())
	api, truth := open(t, p, sel, Options{}), below(p, sel)
	total := 0
	for _, r := range sel.SourceRanges() {
		items, rev, err := api.Read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		same(t, sel, r, items, at(t, truth, r, rev))
		total += len(items)

		var keys []etcd.Item
		rev, err = api.Keys(t.Context(), r, func(part []etcd.Item) error { keys = append(keys, part...); return nil })
		if err != nil {
			t.Fatal(err)
		}
		sameKeys(t, r, keys, at(t, truth, r, rev))

		for i := range items { // from the middle of a list, and up to there
			low, high := cut(r, append(items[i].Key, 0))
			for _, part := range []change.Range{low, high} {
				items, rev, err := api.Read(t.Context(), part)
				if err != nil {
					t.Fatal(err)
				}
				same(t, sel, part, items, at(t, truth, part, rev))
			}
		}
	}
	if total < 60 {
		t.Errorf("only %d objects were compared", total)
	}
}

func at(t *testing.T, s scanner, r change.Range, rev int64) (items []etcd.Item) {
	t.Helper()
	err := s.ScanAt(t.Context(), r, rev, func(part []etcd.Item) error { items = append(items, part...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return items
}

type scanner interface {
	ScanAt(ctx context.Context, r change.Range, rev int64, fn func([]etcd.Item) error) error
}

func same(t *testing.T, s *filter.Selection, r change.Range, got, want []etcd.Item) {
	t.Helper()
	sameKeys(t, r, got, want)
	for i := range min(len(got), len(want)) {
		g, w := s.Take(got[i].Key, got[i].Value), s.Take(want[i].Key, want[i].Value)
		if g.Verdict != w.Verdict || string(g.Key) != string(w.Key) || string(g.Value) != string(w.Value) {
			t.Errorf("%s:\nthrough the API %v %s %s\n%s\nfrom etcd %v %s %s\n%s", got[i].Key,
				g.Verdict, g.Reason, g.Key, g.Value, w.Verdict, w.Reason, w.Key, w.Value)
		}
	}
}

func sameKeys(t *testing.T, r change.Range, got, want []etcd.Item) {
	t.Helper()
	line := func(items []etcd.Item) (s string) {
		for _, it := range items {
			s += fmt.Sprintf("%s@%d\n", it.Key, it.ModRevision)
		}
		return s
	}
	if g, w := line(got), line(want); g != w {
		t.Errorf("%v: got\n%swant\n%s", r, g, w)
	}
}
