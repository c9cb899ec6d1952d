package source

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// restarts is how often compaction may break a listing before it is read with
// one request.
const restarts = 3

// Keys hands the keys of r with their mod revisions to fn, in order, without
// values, as they are at the one revision it returns. fn gets nothing before
// the listing is complete, so it never sees one that is given up, and it may
// take its time; what it gets it may keep. Compaction never fails it.
//
// Memory: 20 to 40 bytes per key, typically. The error of fn is returned as it
// is.
func (s *Source) Keys(ctx context.Context, r change.Range, fn func([]Item) error) (rev int64, err error) {
	var l *listing
	for attempt := 0; attempt <= restarts; attempt++ {
		err = s.retry(ctx, func() error {
			l = &listing{}
			rev, err = s.list(ctx, r, attempt, l)
			return err
		})
		if !compacted(err) {
			break
		}
	}
	if err != nil {
		return 0, s.explain(err, "listing the keys of", r)
	}
	return rev, l.each(fn)
}

// list fills l by the means that the number of failed attempts leaves.
func (s *Source) list(ctx context.Context, r change.Range, attempt int, l *listing) (int64, error) {
	add := func(items []Item) error {
		for _, it := range items {
			l.add(it.Key, it.ModRevision)
		}
		return nil
	}
	if attempt >= restarts {
		items, rev, err := s.whole(ctx, r, clientv3.WithKeysOnly())
		if err != nil {
			return 0, err
		}
		return rev, add(items)
	}
	rev, err := s.stream(ctx, r, add, clientv3.WithKeysOnly())
	if unstreamable(err) {
		return s.listPages(ctx, r, add)
	}
	return rev, err
}

// listPages reads the keys of r page by page at the revision of the first one.
func (s *Source) listPages(ctx context.Context, r change.Range, add func([]Item) error) (pinned int64, err error) {
	for {
		items, rev, more, err := s.page(ctx, r, clientv3.WithKeysOnly(), clientv3.WithLimit(pageKeys), clientv3.WithRev(pinned))
		if err != nil {
			return 0, err
		}
		if pinned == 0 {
			pinned = rev
		}
		if err := add(items); err != nil || !more {
			return pinned, err
		}
		r = after(r, items[len(items)-1].Key)
	}
}
