package exporter

import (
	"context"
	"slices"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

const (
	// sharedPage is how many edges wait for a page when it is published once
	// for the whole channel. Edges that did not ask for it read it in vain, so
	// that a few edges get it on subjects of their own.
	sharedPage = 4
	// pageWait is how long a page waits for other edges that want the same,
	// and waits again while more of them come, up to mostPageWait: after an
	// exporter started over all edges ask, and each a little later. Who asks later
	// still waits until the last page is mostPageWait old: a fleet whose requests
	// come slowly is not answered one by one. In a channel of fewer edges than
	// share a page nobody waits.
	pageWait     = 20 * time.Millisecond
	mostPageWait = 500 * time.Millisecond
	// deepBytes is how much of the source one read of a deep check takes,
	// about.
	deepBytes = 512 << 10
)

// pages are the edges that wait for a digest page, and the newest page.
type pages struct {
	jobs  []pageJob
	due   <-chan time.Time // nil while nobody waits
	since time.Time        // when the first of them asked
	seen  int              // how many waited when due was set
	last  time.Time        // when a page was published
	made  madePage
}

type pageJob struct {
	edge, id string
	deep     bool // the source was read for it: it says more than a shared page
}

// madePage is a page and the state of the index that it is of.
type madePage struct {
	writes uint64
	body   []byte // compressed
	ranges []change.PageRange
}

// want notes that an edge waits for a page, of so many that the channel has.
func (p *pages) want(job pageJob, edges int) {
	p.jobs = append(p.jobs, job)
	if p.due != nil {
		return
	}
	p.since = time.Now()
	if edges < sharedPage {
		p.arm(0)
	} else {
		p.arm(max(pageWait, mostPageWait-time.Since(p.last)))
	}
}

func (p *pages) arm(wait time.Duration) { p.due, p.seen = time.After(wait), len(p.jobs) }

// published gives those whose page is being published, for whom nobody waits any
// more.
func (p *pages) published() []pageJob {
	jobs := p.jobs
	p.jobs, p.due, p.last = nil, nil, time.Now()
	return jobs
}

// page is the digest page of the index as it stands. It is made once for all
// who ask before the next write.
func (c *channel) page() (madePage, error) {
	if p := c.pages.made; p.body != nil && p.writes == c.index.writes {
		return p, nil
	}
	ranges, err := c.index.page()
	if err != nil {
		return madePage{}, err
	}
	body, err := change.Compress(change.EncodePage(ranges))
	if err != nil {
		return madePage{}, err
	}
	c.pages.made = madePage{writes: c.index.writes, body: body, ranges: ranges}
	return c.pages.made, nil
}

// publishPages answers all edges that wait for a page, unless more of them are
// on their way.
func (c *channel) publishPages(ctx context.Context) error {
	p := &c.pages
	if len(p.jobs) > p.seen && len(p.jobs) >= sharedPage && time.Since(p.since) < mostPageWait {
		p.arm(pageWait)
		return nil
	}
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	jobs := p.published()
	if len(jobs) >= sharedPage {
		err := c.sendPage(func() error { return c.chain.share(ctx, change.KindPage, c.at(), page.body) })
		if err != nil {
			return err
		}
		jobs = slices.DeleteFunc(jobs, func(j pageJob) bool { return !j.deep })
	}
	for _, j := range jobs {
		err := c.sendPage(func() error { return c.chain.reply(ctx, change.KindPage, j.edge, j.id, c.at(), page.body) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) sendPage(send func() error) error {
	failpoint.Hit(failpoint.PagePublishBefore)
	if err := send(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PagePublishAfter)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Pages++
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

// checked notes that one more range is what the index says.
func (d *deepPage) checked(c *channel) {
	if d.left--; d.left == 0 {
		c.pages.want(d.job, c.members())
	}
}
