package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// recover finds the channel's place: the newest frame that the hub holds, or
// the newest one that this exporter knows to have been acknowledged when the
// hub has lost it, and an index to go on with.
func (c *channel) recover(ctx context.Context) error {
	failpoint.Hit(failpoint.TailReadBefore)
	tail, err := c.tail(ctx)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.TailReadAfter)
	current, err := c.source.Current(ctx)
	if err != nil {
		return fmt.Errorf("read the source's revision: %w", err)
	}
	c.newest = current
	head := c.place(tail)
	usable := c.cp.Complete && c.cp.Policy == c.selection.Digest() && c.cp.Head.Lineage == head.Lineage && c.cp.Revision <= current
	c.chain.head, c.floor = head, head.Revision
	switch {
	case head.Lineage.IsZero():
		return c.newLineage(ctx, "the channel is new")
	case current < head.Revision:
		return c.newLineage(ctx, fmt.Sprintf("the source is at revision %d, the channel was at %d already", current, head.Revision))
	case usable && !tail.open:
		c.processed = c.cp.Revision
		return c.resume(ctx)
	case usable:
		return c.rebuild(ctx, "the exporter stopped within a revision")
	default:
		return c.rebuild(ctx, "the exporter's index was lost or belongs to another policy")
	}
}

// resume goes on from the checkpoint, if the source is the one of which it
// tells.
func (c *channel) resume(ctx context.Context) error {
	var back *source.WentBack
	err := c.believe(ctx)
	if errors.As(err, &back) {
		return c.newLineage(ctx, back.Error())
	}
	return err
}

// place chooses between the stream's tail and the index's checkpoint. Within a
// lineage the further one counts: a tail behind the checkpoint means that the
// hub lost what it had acknowledged. Edges that hold the lost frames go on
// from the checkpoint; those that do not see a gap and compare.
func (c *channel) place(t tail) change.Head {
	switch {
	case !t.found:
		return c.cp.Head
	case t.head.Lineage == c.cp.Head.Lineage && c.cp.Head.Revision > t.head.Revision:
		c.logger.Warn("the hub lost acknowledged frames", "channel", c.name,
			"tail", t.head.Position.String(), "acknowledged", c.cp.Head.Position.String())
		return c.cp.Head
	default:
		return t.head
	}
}

// newLineage starts a new history for the channel and has edges compare.
func (c *channel) newLineage(ctx context.Context, reason string) error {
	c.chain.head.Lineage = change.NewLineage()
	c.chain.head.Revision = 0
	c.floor, c.processed, c.newest, c.doubt = 0, 0, 0, doubt{}
	return c.rebuild(ctx, reason)
}

// rebuild makes the index anew from the source and has edges compare. The
// source is read in pieces, each at its own revision, while a watch that was
// opened before brings what changes meanwhile: compaction cannot break it.
func (c *channel) rebuild(ctx context.Context, reason string) error {
	from, err := c.source.Current(ctx)
	if err != nil {
		return fmt.Errorf("read the source's revision: %w", err)
	}
	c.logger.Info("listing the source", "channel", c.name, "reason", reason, "revision", from)
	if err := c.index.clear(); err != nil {
		return err
	}
	c.stopWatching()
	if err := c.spool.drop(0, reason); err != nil {
		return err
	}
	c.startWatching(ctx, from+1)
	upto := from
	for _, r := range c.selection.SourceRanges() {
		_, last, err := c.source.Scan(ctx, r, c.learn)
		if err != nil {
			return fmt.Errorf("list %v: %w", r, err)
		}
		upto = max(upto, last)
	}
	c.processed = from
	if err := c.reach(ctx, upto, func([]change.Change) error { return nil }); err != nil {
		return err
	}
	c.floor, c.changed = c.processed, c.processed
	c.mu.Lock()
	c.report.Resets++
	c.report.Reason = reason
	c.mu.Unlock()
	failpoint.Hit(failpoint.ResetPublishBefore)
	if err := c.chain.state(ctx, change.KindReset, c.at(), c.state(reason)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ResetPublishAfter)
	return c.commit(ctx)
}

// learn takes listed items into the index.
func (c *channel) learn(items []source.Item) error {
	for _, it := range items {
		if !c.selection.Covers(it.Key) {
			continue
		}
		e := source.Event{Op: change.Put, Key: bytes.Clone(it.Key), Value: it.Value, ModRevision: it.ModRevision}
		if err := c.settleAnew(e); err != nil {
			return err
		}
	}
	return nil
}

// reach takes events from the watch until everything up to a revision is in
// the index. Events beyond it in the last batch are taken as well, so that a
// batch is never split: the channel then stands a little further.
func (c *channel) reach(ctx context.Context, upto int64, fn func([]change.Change) error) error {
	for c.processed < upto {
		c.source.Nudge()
		select {
		case b := <-c.watch.batches:
			for _, r := range b.Revisions {
				changes, err := c.apply(r.Events)
				if err != nil {
					return fmt.Errorf("revision %d: %w", r.Revision, err)
				}
				if err := fn(changes); err != nil {
					return err
				}
				c.processed = max(c.processed, r.Revision)
			}
			c.processed = max(c.processed, b.Resolved)
		case <-c.watch.done:
			return fmt.Errorf("watch up to revision %d: %w", upto, c.watch.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c.newest = max(c.newest, c.processed)
	return nil
}

// compare brings the index to the present without reading history: it compares
// the keys and mod revisions of the source with those of the index and
// publishes what differs as one changeset. One listing without values finds the
// changed puts, the deletes, and a source that is not the one that it was; only
// the values of changed keys are read. It fails with *source.WentBack.
func (c *channel) compare(ctx context.Context) error {
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	from, err := c.source.Current(ctx)
	if err != nil {
		return fmt.Errorf("read the source's revision: %w", err)
	}
	c.stopWatching()
	if err := c.spool.drop(c.processed, "the index is compared with the source instead"); err != nil {
		return err
	}
	c.startWatching(ctx, from+1)
	c.doubt = doubt{} // what the listing does not show is deleted here
	g := gathering{channel: c}
	upto := from
	for _, r := range c.selection.SourceRanges() {
		rev, err := c.compareRange(ctx, r, &g)
		if err != nil {
			return fmt.Errorf("compare %v: %w", r, err)
		}
		upto = max(upto, rev)
	}
	c.processed = from
	err = c.reach(ctx, upto, func(changes []change.Change) error { return g.add(ctx, from, changes) })
	if err != nil {
		return err
	}
	return g.finish(ctx)
}

// compareRange gathers what differs between the source and the index in one
// source range.
func (c *channel) compareRange(ctx context.Context, r change.Range, g *gathering) (int64, error) {
	var wanted [][]byte
	seen := make(map[string]struct{})
	rev, err := c.source.Keys(ctx, r, func(items []source.Item) error {
		for _, it := range items {
			if !c.selection.Covers(it.Key) {
				continue
			}
			seen[string(it.Key)] = struct{}{}
			known, ok := c.known(it.Key)
			if ok && known == it.ModRevision {
				continue
			}
			if it.ModRevision <= c.processed {
				return c.wentBack(it.ModRevision, it.Key)
			}
			wanted = append(wanted, bytes.Clone(it.Key))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := c.gatherDeletes(ctx, r, rev, seen, g); err != nil {
		return 0, err
	}
	upto := rev
	err = c.source.Fetch(ctx, wanted, func(found []source.Item, _ [][]byte, at int64) error {
		upto = max(upto, at)
		return c.gatherPuts(ctx, rev, found, g)
	})
	return upto, err
}

// gatherDeletes finds the source keys that the index knows and the source does
// not list: the listing is complete, so their absence is a delete.
func (c *channel) gatherDeletes(ctx context.Context, r change.Range, rev int64, seen map[string]struct{}, g *gathering) error {
	var events []source.Event
	err := c.eachSource(r, func(sourceKey []byte) error {
		if _, ok := seen[string(sourceKey)]; !ok {
			events = append(events, source.Event{Op: change.Delete, Key: bytes.Clone(sourceKey), ModRevision: rev})
		}
		return nil
	})
	if err != nil {
		return err
	}
	changes, err := c.apply(events)
	if err != nil {
		return err
	}
	return g.add(ctx, rev, changes)
}

// eachSource calls fn for the source keys in a range that the index knows to be
// there, in no order. fn must not write to the index.
func (c *channel) eachSource(r change.Range, fn func(sourceKey []byte) error) error {
	for _, delivered := range c.selection.TargetRanges() {
		for _, part := range c.selection.UnmapRange(delivered) {
			if part.Source.Intersect(r).Empty() {
				continue
			}
			err := c.index.each(part.Delivered, func(key []byte, e entry) error {
				if src := part.Unmap(key); r.Contains(src) && !e.released {
					return fn(src)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return c.index.eachBeside(r, fn)
}

func (c *channel) gatherPuts(ctx context.Context, rev int64, found []source.Item, g *gathering) error {
	events := make([]source.Event, len(found))
	for i, it := range found {
		events[i] = source.Event{Op: change.Put, Key: it.Key, Value: it.Value, ModRevision: it.ModRevision}
	}
	changes, err := c.apply(events)
	if err != nil {
		return err
	}
	return g.add(ctx, rev, changes)
}

// gatherBytes is how much of a comparison is held back so that it can be
// published as one whole changeset.
const gatherBytes = 1 << 20

// gathering folds the changes of a comparison into one changeset, or, when
// they are many, into partial ones.
type gathering struct {
	channel *channel
	changes map[string]change.Change
	size    int
	partial bool
}

func (g *gathering) add(ctx context.Context, rev int64, changes []change.Change) error {
	if g.changes == nil {
		g.changes = make(map[string]change.Change)
	}
	for _, c := range changes {
		if old, ok := g.changes[string(c.Key)]; ok {
			g.size -= old.Size()
		}
		g.changes[string(c.Key)] = c
		g.size += c.Size()
	}
	if g.size < gatherBytes {
		return nil
	}
	g.partial = true
	return g.publish(ctx, max(rev, g.channel.chain.head.Revision), true)
}

// finish closes the changeset at the revision at which the index stands now.
func (g *gathering) finish(ctx context.Context) error {
	c := g.channel
	if len(g.changes) == 0 && !g.partial {
		return nil
	}
	c.changed = c.processed
	return g.publish(ctx, c.processed, false)
}

func (g *gathering) publish(ctx context.Context, rev int64, partial bool) error {
	s := change.Changeset{Revision: rev, Partial: partial}
	for _, c := range g.changes {
		s.Changes = append(s.Changes, c)
	}
	slices.SortFunc(s.Changes, func(a, b change.Change) int { return bytes.Compare(a.Key, b.Key) })
	clear(g.changes)
	g.size = 0
	failpoint.Hit(failpoint.DifferencePublishBefore)
	g.channel.chain.add(s)
	if err := g.channel.chain.flush(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.DifferencePublishAfter)
	return nil
}
