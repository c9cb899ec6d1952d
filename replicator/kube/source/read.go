package source

import (
	"context"

	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

// Scan reads the complete content of r in key order and hands it to fn in parts,
// which fn may keep. The parts may come from different revisions: every key is
// shown as it was at some revision from first to last, and a key that existed
// throughout is not left out. Compaction does not fail a scan.
//
// Memory is bounded by one page of about 2 MiB. The error of fn is returned as it
// is.
func (s *Source) Scan(ctx context.Context, r change.Range, fn func([]etcd.Item) error) (first, last int64, err error) {
	w, err := s.walk(r, fn)
	if err != nil {
		return 0, 0, err
	}
	w.loose = true
	err = w.run(ctx)
	return w.first, w.last, unwrapFn(err)
}

// ScanAt is Scan at one revision. When the cluster compacts it before the scan
// has ended, the error is [*etcd.Compacted].
func (s *Source) ScanAt(ctx context.Context, r change.Range, rev int64, fn func([]etcd.Item) error) error {
	w, err := s.walk(r, fn)
	if err != nil {
		return err
	}
	w.revision = rev
	err = w.run(ctx)
	if expired(err) {
		return &etcd.Compacted{Revision: rev, CompactRevision: rev + 1}
	}
	return unwrapFn(err)
}

// Read is the complete content of r at one revision: the newest that a running
// Watch has told its sink, or the cluster's. A reader of the newest would have to
// wait until the watch has passed that, for a second or two. All of it is in
// memory at once: r must be known to be small.
func (s *Source) Read(ctx context.Context, r change.Range) ([]etcd.Item, int64, error) {
	return s.gather(ctx, r, false)
}

// Keys hands the keys of r with their revisions to fn, in order, without values,
// as they are at the one revision it returns. fn gets nothing before the listing
// is complete, and may keep what it gets. The error of fn is returned as it is.
//
// Memory: some 150 bytes per key.
func (s *Source) Keys(ctx context.Context, r change.Range, fn func([]etcd.Item) error) (int64, error) {
	items, rev, err := s.gather(ctx, r, true)
	if err != nil || len(items) == 0 {
		return rev, err
	}
	return rev, fn(items)
}

// gather reads r at one revision. The last try asks for everything at once.
func (s *Source) gather(ctx context.Context, r change.Range, keysOnly bool) (items []etcd.Item, rev int64, err error) {
	for try := range restarts + 1 {
		items = nil
		w, err := s.walk(r, func(part []etcd.Item) error {
			items = append(items, part...)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		w.keysOnly, w.whole, w.unplaced = keysOnly, try == restarts, try == restarts
		if told := s.told.Load(); told > 0 && !keysOnly && try == 0 {
			w.revision = told
		}
		err = w.run(ctx)
		if expired(err) && try < restarts {
			continue
		}
		return items, w.last, err
	}
	return items, rev, err
}
