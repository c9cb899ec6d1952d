package exporter

import (
	"context"
	"errors"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/wal"
)

// errReplayed ends a watch at the end of the spool. The next one begins behind
// it at the source, once it is known that the source still is the one whose
// history was spooled.
var errReplayed = errors.New("the spool is read")

// spooledSource reads history from the spool as far as it goes, and the rest
// from the source.
type spooledSource struct {
	Source
	spool *spool
}

// Watch is that of the source, or ends with errReplayed when the history from
// the revision on begins in the spool.
func (s spooledSource) Watch(ctx context.Context, from int64, sink func(source.Batch) error) error {
	if !s.spool.holds(from) {
		return s.Source.Watch(ctx, from, sink)
	}
	if err := s.spool.replay(from-1, sink); err != nil {
		return err
	}
	return errReplayed
}

// believe drops the spool unless it goes on where the checkpoint ends and is
// intact, and then looks whether the source still holds what the index and the
// spool took from it; *source.WentBack says that it does not. The index is left
// at the checkpoint.
func (c *channel) believe(ctx context.Context) error {
	if err := c.spool.align(c.cp); err != nil {
		return err
	}
	err := c.foresee(ctx)
	var corrupt *wal.CorruptError
	if !errors.Is(err, change.ErrMalformed) && !errors.As(err, &corrupt) {
		return err
	}
	if err := c.spool.drop(0, "it is damaged: "+err.Error()); err != nil {
		return err
	}
	return c.foresee(ctx)
}

// foresee holds the source against the index as it will be behind the spool.
// What is spooled is not published before: a history that is no more, told by
// an exporter that was away, would have to be taken back at once.
func (c *channel) foresee(ctx context.Context) error {
	c.processed = c.cp.Revision
	err := c.spool.replay(c.cp.Revision, func(b source.Batch) error {
		for _, r := range b.Revisions {
			if _, err := c.apply(r.Events); err != nil {
				return err
			}
		}
		c.processed = b.Resolved
		return context.Cause(ctx)
	})
	if err == nil {
		err = c.sameHistory(ctx)
	}
	if err == nil && c.doubt.revision < c.processed {
		err = &source.WentBack{Revision: c.doubt.revision, Was: c.processed, Why: "its revision went back"}
	}
	c.processed = c.cp.Revision
	return errors.Join(err, c.index.rollback())
}
