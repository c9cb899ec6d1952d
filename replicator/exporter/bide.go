package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// bide waits until a channel that failed may be tried again: after a pause, and
// once its source can be read. Meanwhile edges attach to what the hub holds of
// it, and commands go to them.
func (t *term) bide(ctx context.Context, r *running, pause backoff.BackOff) {
	c := r.channel.Load()
	t.standStill(ctx, c)
	probed := make(chan error, 1)
	due := time.After(pause.NextBackOff())
	var probing sync.WaitGroup
	defer probing.Wait()
	for {
		select {
		case <-due:
			probing.Go(func() { probed <- t.readable(ctx, r.line) })
		case err := <-probed:
			if err == nil || ctx.Err() != nil {
				return
			}
			t.ails(r.line.name, err)
			due = time.After(pause.NextBackOff())
		case req := <-r.requests:
			if req.command == nil || c.chain.head.IsZero() {
				continue // it needs the source, or its place, and whoever asks does so again
			}
			if err := c.publishCommand(ctx, req); err != nil {
				return // the next run fails for the same reason, and ends the term
			}
		case <-ctx.Done():
			return
		}
	}
}

// standStill has a channel that failed stand where the hub stands: what was not
// published is forgotten. One that has published nothing in this term takes its
// place from the hub, so that edges can attach.
func (t *term) standStill(ctx context.Context, c *channel) {
	c.chain.buffer, c.chain.size, c.processed = nil, 0, 0
	attachable := c.attachable()
	if attachable && !c.chain.head.IsZero() {
		return
	}
	found, err := c.tail(ctx)
	switch {
	case err != nil:
		t.logger.Warn("the hub does not tell what it holds of a channel that failed", "channel", c.name, "cause", err.Error())
	case found.found && !found.open && c.place(found) == found.head:
		c.chain.head = found.head
		if !attachable {
			c.stored(link{head: found.head, prev: found.prev, seq: found.seq, whole: true})
		}
	}
}

// readable is nil when a channel may be tried again.
func (t *term) readable(ctx context.Context, l line) error {
	if err := t.unowned(); err != nil {
		return err
	}
	from, err := t.open(l.selection)
	if err != nil {
		return err
	}
	_, err = answers(ctx, from)
	return err
}

// answers is the revision of a source that answers and may be read.
func answers(ctx context.Context, from Source) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, silentSource)
	defer cancel()
	current, err := from.Current(ctx)
	if err != nil && fault.ExitCode(err) == int(fault.Refused) {
		return 0, fmt.Errorf("the source refuses to be read: %w", err)
	}
	if err != nil {
		return 0, fmt.Errorf("the source does not answer: %w", err)
	}
	return current, nil
}

// errOvertaken ends a term in which nothing was published for so long that
// another exporter took over.
var errOvertaken = errors.New("another exporter has taken over")

// overtaken fails when somebody else writes while no channel of this exporter
// does: nothing would tell it that its place is taken.
func (t *term) overtaken(ctx context.Context) error {
	if !t.allAil() {
		return nil
	}
	last, err := t.log.LastSeq(ctx)
	if err != nil || last <= t.pub.Sent() {
		return nil //nolint:nilerr // a hub that does not answer says nothing
	}
	return fmt.Errorf("%w: the stream ends at %d: %w", errOvertaken, last, jetstream.ErrChainBroken)
}
