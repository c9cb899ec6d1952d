package exporter

import (
	"context"

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
}

// requestQueue bounds the requests that wait for a channel.
const requestQueue = 4096

// sharedPage is how many edges wait for a page when it is published once for
// the whole channel. Edges that did not ask for it read it in vain, so that a
// few edges get it on subjects of their own.
const sharedPage = 4

type pageJob struct{ edge, id string }

// madePage is the newest page and the state of the index that it is of.
type madePage struct {
	writes uint64
	raw    []byte
	ranges []change.PageRange
}

// take handles a request in the order of the channel's frames. Pages wait
// while there are other requests: they may want the same page.
func (c *channel) take(ctx context.Context, r request) error {
	var err error
	switch {
	case r.page != nil:
		c.chunks.forget(r.edge)
		err = c.takePage(r)
	case r.ranges != nil && r.ranges.Dry:
		err = c.publishFindings(ctx, r)
	case r.ranges != nil:
		c.takeRanges(r)
	case r.command != nil:
		err = c.publishCommand(ctx, r)
	}
	if err != nil || len(c.requests) > 0 {
		return err
	}
	return c.publishPages(ctx)
}

func (c *channel) takePage(r request) error {
	job := pageJob{edge: r.edge, id: r.page.ID}
	if r.page.Deep {
		return c.checkDeep(job)
	}
	c.pages = append(c.pages, job)
	return nil
}

func (c *channel) takeRanges(r request) {
	for _, w := range r.ranges.Ranges {
		job := chunkJob{edge: r.edge, request: r.ranges.ID, r: w.Range, prints: w.Prints, slot: r.ranges.Slot}
		if !c.chunks.add(job) {
			c.logger.Warn("too many ranges wait to be read", "channel", c.name, "edge", r.edge)
			return // the edge asks again for what does not come
		}
	}
}

// page is the digest page of the index as it stands. It is made once for all
// who ask before the next write.
func (c *channel) page() (madePage, error) {
	if c.made.raw != nil && c.made.writes == c.index.writes {
		return c.made, nil
	}
	ranges, err := c.index.page()
	if err != nil {
		return madePage{}, err
	}
	c.made = madePage{writes: c.index.writes, raw: change.EncodePage(ranges), ranges: ranges}
	c.pagesMade++
	return c.made, nil
}

// publishPages answers all edges that asked for a page with the same one.
func (c *channel) publishPages(ctx context.Context) error {
	if len(c.pages) == 0 {
		return nil
	}
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	jobs := c.pages
	c.pages = nil
	if len(jobs) >= sharedPage {
		return c.chain.share(ctx, change.KindPage, c.at(), page.raw)
	}
	for _, p := range jobs {
		if err := c.chain.reply(ctx, change.KindPage, p.edge, p.id, c.at(), page.raw); err != nil {
			return err
		}
	}
	return nil
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
		if err := c.chain.reply(ctx, change.KindFinding, r.edge, r.ranges.ID, c.at(), change.EncodeFinding(f)); err != nil {
			return err
		}
	}
	return nil
}

// deepPage is a page that is published once every range of it was read from
// the source and held against the index.
type deepPage struct {
	job  pageJob
	left int
}

// checkDeep reads the whole channel before it answers with a page.
func (c *channel) checkDeep(job pageJob) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	ranges := digest.Coalesce(digest.Everything(page.ranges), deepBytes)
	deep := &deepPage{job: job, left: len(ranges)}
	for _, d := range ranges {
		if !c.chunks.add(chunkJob{edge: job.edge, request: job.id, r: d.Range, deep: deep}) {
			c.logger.Warn("too many ranges wait to be read", "channel", c.name, "edge", job.edge)
			c.chunks.forget(job.edge)
			return nil // the edge asks again
		}
	}
	return nil
}

// deepBytes is how much of the source one read of a deep check takes, about.
const deepBytes = 512 << 10

// checked notes that one more range is what the index says.
func (d *deepPage) checked(ctx context.Context, c *channel) error {
	if d.left--; d.left > 0 {
		return nil
	}
	c.pages = append(c.pages, d.job)
	return c.publishPages(ctx)
}
