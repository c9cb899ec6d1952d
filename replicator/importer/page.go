package importer

import (
	"context"
	"fmt"

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
	diffs, equal, err := a.differences(ctx, page)
	if err != nil {
		return fmt.Errorf("compare with the digest page: %w", err)
	}
	failpoint.Hit(failpoint.PageCompareAfter)
	c.compared, c.still = true, 0
	c.left = digest.Coalesce(diffs, chunkBytes)
	if c.step, err = a.step(ctx, f.Last); err != nil {
		return err
	}
	a.im.logger.Info("compared with the source", "revision", f.Last, "ranges", len(page), "different", len(diffs), "equal", equal, "reason", c.reason)
	if c.task != nil {
		c.task.compared(a, f.Last, equal, c.left)
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
func (a *applier) differences(ctx context.Context, page []change.PageRange) (diffs []digest.Difference, equal uint64, err error) {
	if err := a.barrier(ctx); err != nil {
		return nil, 0, err
	}
	o := digest.Options{Scope: a.comparison.scope, Slot: a.comparison.slot, Full: a.comparison.full}
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
