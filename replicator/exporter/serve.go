package exporter

import (
	"context"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// request is what an edge asks of its channel, or an operator of an edge. The
// channel answers in the order of its frames.
type request struct {
	edge    string
	page    *jetstream.PageRequest
	ranges  *jetstream.RangesRequest
	command *order
	beat    bool // the edge has attached and waits for a heartbeat

	released chan<- []string // has room for the answer: the keys that are released
}

// requestQueue bounds the requests that wait for a channel.
const requestQueue = 4096

// take handles a request in the order of the channel's frames.
func (c *channel) take(ctx context.Context, r request) error {
	switch {
	case r.page != nil && r.page.Deep:
		c.chunks.forget(r.edge)
		return c.checkDeep(pageJob{edge: r.edge, id: r.page.ID, deep: true})
	case r.page != nil:
		c.chunks.forget(r.edge)
		c.pages.want(pageJob{edge: r.edge, id: r.page.ID}, c.members())
	case r.ranges != nil && r.ranges.Dry:
		return c.publishFindings(ctx, r)
	case r.ranges != nil:
		c.takeRanges(r)
	case r.beat:
		c.beatSoon()
	case r.released != nil:
		return c.tellReleased(r.released)
	case r.command != nil:
		return c.publishCommand(ctx, r)
	}
	return nil
}

func (c *channel) takeRanges(r request) {
	for _, w := range r.ranges.Ranges {
		job := chunkJob{edge: r.edge, request: r.ranges.ID, r: w.Range, prints: w.Prints, slot: r.ranges.Slot, thin: r.ranges.Thin}
		if !c.chunks.add(job) {
			c.logger.Warn("too many ranges wait to be read", "channel", c.name, "edge", r.edge)
			return // the edge asks again for what does not come
		}
	}
}

// publishFindings says what differs, from the index alone.
func (c *channel) publishFindings(ctx context.Context, r request) error {
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	names := min(r.ranges.Names, command.MaxSamples)
	for _, w := range r.ranges.Ranges {
		f, err := c.index.finding(w.Range, digest.NewKnown(w.Prints, r.ranges.Slot), names)
		if err != nil {
			return err
		}
		names -= len(f.Keys)
		body, err := change.Compress(change.EncodeFinding(f))
		if err != nil {
			return err
		}
		if err := c.chain.reply(ctx, change.KindFinding, r.edge, r.ranges.ID, c.at(), body); err != nil {
			return err
		}
	}
	return nil
}

// attachBeat is how long after a heartbeat the next one may follow that edges
// wait for. They come together after an outage.
const attachBeat = 100 * time.Millisecond

// beatSoon has a heartbeat follow for an edge that has just attached: it tells
// at once whether the edge is equal, which otherwise would wait for the next.
func (c *channel) beatSoon() {
	if c.beatDue == nil {
		c.beatDue = time.After(max(0, attachBeat-time.Since(c.beaten)))
	}
}
