package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// errPolicyChanged tells that the channel selects or maps something else than
// what the edge attached for.
var errPolicyChanged = errors.New("the channel's policy has changed")

// heartbeat proves, at exactly its revision, that the target's selection is
// the source's: everything up to the revision is applied, nothing beyond it.
func (a *applier) heartbeat(ctx context.Context, f taken, s change.State) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	a.advance(f)
	a.im.view.heard(f.Sent, s)
	if s.Policy != a.policy {
		return fmt.Errorf("%w: %.8s, attached for %.8s", errPolicyChanged, s.Policy, a.policy)
	}
	if err := a.check(ctx); err != nil {
		return err
	}
	if err := a.parked.save(ctx, a); err != nil {
		return err
	}
	if a.table == nil && a.comparison.running() {
		a.comparison.tick(a, f.Sent)
		return nil // it reads the target, soon
	}
	if err := a.known(ctx); err != nil {
		return err
	}
	if err := a.audit(ctx); err != nil {
		return err
	}
	if err := a.retryNow(ctx); err != nil {
		return err
	}
	a.comparison.tick(a, f.Sent)
	return a.compare(ctx, f, s)
}

// reset says that history before it is not carried. The state that comes with
// it tells whether the target is equal all the same.
func (a *applier) reset(ctx context.Context, f taken, s change.State) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	a.advance(f)
	a.im.view.heard(f.Sent, s)
	if s.Policy != a.policy {
		return fmt.Errorf("%w: %.8s, attached for %.8s", errPolicyChanged, s.Policy, a.policy)
	}
	cursor := a.cursor
	cursor.Lineage, cursor.Revision = f.Lineage, f.Last
	cursor.Consistent, cursor.Torn = false, 0
	a.torn = nil
	a.stand(&cursor)
	failpoint.Hit(failpoint.ResetBefore)
	if err := a.commit(ctx, nil, cursor); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ResetAfter)
	a.im.view.resync("the exporter started over: " + s.Reason)
	a.postpone()
	return a.compare(ctx, f, s)
}

// check reads the cursor when nothing was written for a while: a target that
// was wiped or restored, and a twin of this importer, show there. On an idle
// channel the cursor is written again now and then, so that it stays within
// the stream's history.
func (a *applier) check(ctx context.Context) error {
	if a.cursor.Consistent && a.chain != a.cursorChain() && time.Since(a.cursor.Updated) > refreshCursor {
		return a.refresh(ctx)
	}
	if time.Since(a.wrote) < time.Second {
		return nil
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	err := a.promptly(ctx, func() error {
		_, _, _, err := a.target.Load(ctx)
		return err
	})
	a.wrote = time.Now()
	return err
}

// compare holds the digest of what the target holds against the exporter's at
// the same revision.
func (a *applier) compare(ctx context.Context, f taken, s change.State) error {
	if a.cursor.Ahead > f.Last {
		return nil // keys of later revisions are here, from before a crash
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	if err := a.known(ctx); err != nil {
		return err
	}
	want := digest.Digest{Count: s.Count, Sum: s.Sum}
	equal := a.table.Digest() == want
	switch {
	case equal && a.cursor.Consistent:
		return a.proven(ctx, f)
	case equal && a.comparison.running() && a.comparison.task != nil:
		return nil // what an operator asked for is done in full
	case equal:
		return a.confirm(ctx, f, want)
	case a.cursor.Consistent:
		a.im.logger.Warn("the digest does not match, reading the target again",
			"revision", f.Last, "keys", a.table.Digest().Count, "want", s.Count)
		return a.doubt(ctx, f, want, fmt.Sprintf("the digest did not match at revision %d", f.Last))
	default:
		a.comparison.differs(a)
		return nil
	}
}

// doubt takes the claim of equality back and reads the target itself.
func (a *applier) doubt(ctx context.Context, f taken, want digest.Digest, reason string) error {
	a.im.view.mismatched()
	if err := a.setConsistent(ctx, false); err != nil {
		return err
	}
	if err := a.rescan(ctx); err != nil {
		return err
	}
	a.postpone()
	a.comparison.begin(reason)
	return a.confirm(ctx, f, want)
}

// confirm looks for writes of others before the target is called equal: the
// table knows what it held when it was read, and what was written since. If
// there are any the target is read again.
func (a *applier) confirm(ctx context.Context, f taken, want digest.Digest) error {
	foreign, err := a.foreign(ctx)
	if err == nil && (foreign || a.table == nil) { // which is forgotten when the watch ends there
		err = a.rescan(ctx)
	}
	if err != nil {
		return err
	}
	if a.table.Digest() != want {
		a.comparison.differs(a)
		return nil
	}
	if err := a.setConsistent(ctx, true); err != nil {
		return err
	}
	a.comparison.stop()
	return a.proven(ctx, f)
}

// proven notes that the target is equal to the source. From here on it is known
// what the target holds, and a watch tells of every change of others. The cursor
// says from where on: without it the next session would have no watch, and an edge
// whose link is gone by then would put nothing right until it is back.
func (a *applier) proven(ctx context.Context, f taken) error {
	a.im.view.verified(f.Last, a.table.Digest())
	if a.sight != nil || a.sightless {
		return nil
	}
	a.open(ctx, a.auditor.since)
	return a.refresh(ctx)
}

func (a *applier) setConsistent(ctx context.Context, consistent bool) error {
	cursor := a.cursor
	cursor.Consistent = consistent
	if consistent {
		cursor.Revision, cursor.Torn = a.position, 0
	}
	a.stand(&cursor)
	failpoint.Hit(failpoint.ConsistentBefore)
	if err := a.commit(ctx, nil, cursor); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ConsistentAfter)
	return nil
}
