package importer

import (
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// page compares the target with the channel's digest page at the page's
// revision: everything up to it is applied, nothing beyond it.
func (a *applier) page(ctx context.Context, f taken, page []change.PageRange) error {
	c := &a.comparison
	if !c.asked || c.compared || f.Request != c.id && (f.Request != "" || c.deep) {
		return nil // nobody read the source for a page that all may take
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PageCompareBefore)
	behind := a.resumed()
	o := digest.Options{Scope: c.scope, Slot: c.slot, Full: c.full, From: behind.Key}
	diffs, equal, err := a.differences(ctx, page, o)
	if err != nil {
		return fmt.Errorf("compare with the digest page: %w", err)
	}
	failpoint.Hit(failpoint.PageCompareAfter)
	c.compared, c.still = true, 0
	a.im.pace.move()
	c.left = coalesce(diffs, o)
	if c.full {
		c.front = newFrontier(behind, c.left, o)
	}
	if c.step, err = a.step(ctx, f.Last); err != nil {
		return err
	}
	a.im.logger.Info("compared with the source", "revision", f.Last, "ranges", len(page), "different", len(diffs), "equal", equal, "reason", c.reason)
	if c.task != nil {
		c.task.compared(a, f.Last, equal, c.left, behind)
	}
	if err := a.distrust(ctx); err != nil {
		return err
	}
	a.im.view.comparing(c)
	return a.settleRanges(ctx)
}

// distrust takes the claim of equality back before what differs is replaced.
func (a *applier) distrust(ctx context.Context) error {
	if c := &a.comparison; c.dry || len(c.left) == 0 || !a.cursor.Consistent {
		return nil
	}
	a.im.view.mismatched()
	return a.setConsistent(ctx, false)
}

// differences reads the target, compares it with a page, and makes the table
// of what it holds anew.
func (a *applier) differences(ctx context.Context, page []change.PageRange, o digest.Options) (diffs []digest.Difference, equal uint64, err error) {
	if err := a.barrier(ctx); err != nil {
		return nil, 0, err
	}
	var c *digest.Comparison
	err = a.read(ctx, func() { c = digest.Compare(page, o) }, func(key []byte, item digest.Sum) error {
		return c.Add(key, item)
	})
	if err != nil {
		return nil, 0, err
	}
	diffs, _ = c.Finish()
	return diffs, c.Equal(), nil
}

// coalesce joins neighbouring differences, but not those that are brought over
// in full with others: of those the source leaves out what the edge holds.
func coalesce(diffs []digest.Difference, o digest.Options) []digest.Difference {
	full := slices.IndexFunc(diffs, func(d digest.Difference) bool { return o.Whole(d.Range.Hi) })
	if full < 0 {
		full = len(diffs)
	}
	return append(digest.Coalesce(diffs[:full], chunkBytes), digest.Coalesce(diffs[full:], chunkBytes)...)
}
