package source

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// Limits of one page, where the server cannot stream.
const (
	pageKeys  = 10_000
	pageBytes = 8 << 20
)

// Scan reads the complete content of r in key order and hands it to fn in
// parts, which fn may keep. The parts may come from different revisions: every
// key is shown as it was at some revision from first to last, and a key that
// existed throughout is not left out. Compaction never fails a scan.
//
// Memory is bounded by a few parts of the server's choosing, about its request
// limit each. The error of fn is returned as it is.
func (s *Source) Scan(ctx context.Context, r change.Range, fn func([]Item) error) (first, last int64, err error) {
	sc := &scan{source: s, fn: fn, rest: r, pace: pace{limit: 256, max: pageKeys, target: pageBytes}}
	// A stream that breaks does not say which revision it showed: it is not
	// below what was read before it began, and not above what follows it.
	if sc.floor, err = s.Current(ctx); err != nil {
		return 0, 0, err
	}
	err = sc.walk(ctx)
	return sc.first, sc.last, err
}

// ScanAt is Scan at one revision. When the source compacts it before the scan
// has ended, the error is [*Compacted].
func (s *Source) ScanAt(ctx context.Context, r change.Range, rev int64, fn func([]Item) error) error {
	sc := &scan{source: s, fn: fn, rest: r, pace: pace{limit: 256, max: pageKeys, target: pageBytes}, pin: []clientv3.OpOption{clientv3.WithRev(rev)}}
	err := sc.walk(ctx)
	if compacted(err) {
		return &Compacted{Revision: rev, CompactRevision: rev + 1}
	}
	return err
}

// walk goes through the range to its end.
func (sc *scan) walk(ctx context.Context) (err error) {
	whole, waits := sc.rest, sc.source.patience()
	for done := false; !done; {
		before := sc.rest.Lo
		done, err = sc.piece(ctx)
		if string(before) != string(sc.rest.Lo) {
			waits.reset()
		}
		var stop *fnError
		if errors.As(err, &stop) {
			return stop.error
		}
		if err == nil {
			continue
		}
		if err := waits.wait(ctx, err); err != nil {
			return sc.source.explain(err, "scanning", whole)
		}
	}
	return nil
}

// scan is a walk through a range.
type scan struct {
	source *Source
	fn     func([]Item) error
	rest   change.Range // what is still to read
	pace   pace
	pin    []clientv3.OpOption // the revision, when there is to be only one

	floor       int64
	unstreamed  bool // the server has no RangeStream
	paged       bool // compaction broke the last stream: one page comes next, which it cannot break
	torn        bool // a stream broke after it had shown something
	first, last int64
}

// piece reads on from where the walk stands: all of the rest in a stream, or
// one page of it.
func (sc *scan) piece(ctx context.Context) (done bool, err error) {
	if sc.paged || sc.unstreamed {
		return sc.page(ctx)
	}
	shown := false
	rev, err := sc.source.stream(ctx, sc.rest, func(items []Item) error {
		shown = shown || len(items) > 0
		return sc.show(items)
	}, sc.pin...)
	switch {
	case err == nil:
		sc.at(rev)
		return true, nil
	case unstreamable(err):
		sc.unstreamed, err = true, nil
	case compacted(err) && sc.pin == nil:
		sc.paged, err = true, nil
	}
	sc.torn = sc.torn || shown
	return false, err
}

func (sc *scan) page(ctx context.Context) (done bool, err error) {
	items, rev, more, err := sc.source.page(ctx, sc.rest, append(sc.pin, clientv3.WithLimit(int64(sc.pace.limit)))...)
	if err != nil {
		return false, err
	}
	sc.paged = false
	sc.pace.seen(items)
	if err := sc.show(items); err != nil {
		return false, &fnError{err}
	}
	sc.at(rev)
	return !more, nil
}

func (sc *scan) show(items []Item) error {
	if len(items) == 0 {
		return nil
	}
	sc.rest = after(sc.rest, items[len(items)-1].Key)
	return sc.fn(items)
}

// at notes the revision of a piece that ended well.
func (sc *scan) at(rev int64) {
	if sc.first == 0 {
		sc.first = rev
		if sc.torn {
			sc.first = sc.floor
		}
	}
	sc.last = max(sc.last, rev)
}
