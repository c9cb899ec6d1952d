package importer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

const (
	// chunkBytes is how much the source holds in the ranges that one chunk
	// carries, about.
	chunkBytes = 512 << 10
	// windowBytes is how much is asked for and not yet here, about, windowPrints
	// how much one request says of what the edge holds: it has to fit a message.
	windowBytes  = 8 << 20
	windowPrints = 256 << 10
	// patienceBeats is how many heartbeats a comparison may stand still before
	// it begins anew: an exporter that starts over forgets what it was asked.
	// One that has many edges to serve is slow, and forgets the place in the
	// queue of an edge that asks again: each time in vain doubles the patience.
	// More of it is for one that reads its whole source before it answers.
	patienceBeats     = 4
	mostPatienceBeats = 256
	deepPatienceBeats = 2048
)

// comparison holds the target against the channel's digest page and brings over
// what differs: it asks for the page, compares, asks for the ranges that
// differ, and replaces them. It is resumable without a memory of its own,
// because what was replaced is equal at the next comparison; one in full remembers
// its frontier. The heartbeat that follows says whether the two sides are equal.
//
// One that is dry asks what differs and changes nothing.
type comparison struct {
	reason string
	id     string // of the requests; "" when nothing is being compared
	dry    bool
	scope  change.Range
	full   bool // the task's
	deep   bool
	slot   int // of the prints

	asked    bool
	compared bool
	left     []digest.Difference
	out      map[string]digest.Difference // asked for, by first key
	outBytes uint64
	deletes  map[string]struct{} // keys that are to go, decided about at the end
	step     *step               // for the guard, as of when the target was compared
	settled  bool                // deletes are decided about: nothing is left to do
	front    *frontier           // of one in full; nil before it has compared

	still    int // heartbeats without progress
	patience int // how many there may be
	ask      func(ctx context.Context, req jetstream.Request) (now time.Time, err error)
	lastAsk  time.Time
	taken    time.Time // when the exporter took the newest request, by its clock

	task *task // whose comparison it is; nil: the importer's own
}

// begin starts a repair of everything that differs, or starts it over.
func (c *comparison) begin(reason string) {
	*c = comparison{reason: reason, slot: c.slot, ask: c.ask, patience: patienceBeats, task: c.task}
	c.renew()
}

// renew starts the requests over.
func (c *comparison) renew() {
	c.id, c.asked, c.compared, c.settled = rand.Text(), false, false, false
	c.left, c.out, c.outBytes = nil, make(map[string]digest.Difference), 0
	c.deletes, c.still, c.front = make(map[string]struct{}), 0, nil
	c.slot++
}

// again starts over a comparison that stood still, with more patience.
func (c *comparison) again() {
	most := mostPatienceBeats
	if c.deep && !c.compared {
		most = deepPatienceBeats
	}
	c.patience = min(2*c.patience, most)
	c.renew()
}

func (c *comparison) stop() { *c = comparison{slot: c.slot, ask: c.ask} }

func (c *comparison) running() bool { return c.id != "" && !c.settled }

// tick is called at each heartbeat. One that was sent before the exporter took
// the newest request says nothing about how long the answer takes.
func (c *comparison) tick(a *applier, sent time.Time) {
	if !c.running() || !sent.After(c.taken) {
		return
	}
	if c.still++; c.still > c.patience {
		c.again()
	}
	a.im.view.comparing(c)
}

// differs is called at each heartbeat at which the digest does not match and
// the target does not count as equal.
func (c *comparison) differs(a *applier) {
	switch {
	case c.id == "":
		c.begin("the target is not equal to the source yet")
	case c.dry:
		a.postpone()
		c.begin("the target is not equal to the source yet")
	case c.settled:
		c.begin(c.reason)
	}
	a.im.view.comparing(c)
}

// advance sends the requests that are due. A request that fails is sent again
// later; the inbox is not held up for it.
func (c *comparison) advance(ctx context.Context, a *applier) error {
	if !c.running() || c.ask == nil {
		return nil
	}
	a.im.view.comparing(c)
	if !c.asked {
		if time.Since(c.lastAsk) < time.Second {
			return nil
		}
		c.lastAsk = time.Now()
		err := c.send(ctx, jetstream.Request{Page: &jetstream.PageRequest{ID: c.id, Deep: c.deep}})
		c.asked = err == nil
		return passing(a, err)
	}
	if !c.compared || len(c.left) == 0 || c.outBytes > windowBytes/2 {
		return nil
	}
	return c.askRanges(ctx, a)
}

// askRanges asks for as many of the ranges that are left as fit the window.
func (c *comparison) askRanges(ctx context.Context, a *applier) error {
	n, bytes, prints := 0, c.outBytes, 0
	req := &jetstream.RangesRequest{ID: c.id, Slot: c.slot, Dry: c.dry, Thin: a.im.view.thin()}
	if c.dry {
		req.Names = command.MaxSamples
	}
	for n < len(c.left) && (n == 0 || bytes+expected(c.left[n]) <= windowBytes && prints+len(c.left[n].Prints) <= windowPrints) {
		bytes += expected(c.left[n])
		prints += len(c.left[n].Prints)
		req.Ranges = append(req.Ranges, jetstream.RangeWanted{Range: c.left[n].Range, Prints: c.left[n].Prints})
		n++
	}
	if err := c.send(ctx, jetstream.Request{Ranges: req}); err != nil {
		return passing(a, err)
	}
	for _, d := range c.left[:n] {
		c.out[string(d.Range.Lo)] = d
	}
	c.left, c.outBytes = c.left[n:], bytes
	return nil
}

// expected is what the answer to a range weighs, about. Of a range of which the
// edge holds something most is expected to be equal; when it is not, more is on
// its way than the window says, and waits on the hub.
func expected(d digest.Difference) uint64 {
	if d.Prints.Len() == 0 {
		return d.Bytes
	}
	return d.Bytes / 8
}

func (c *comparison) send(ctx context.Context, req jetstream.Request) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	failpoint.Hit(failpoint.RequestBefore)
	taken, err := c.ask(ctx, req)
	failpoint.Hit(failpoint.RequestAfter)
	if err == nil {
		c.taken = taken
	}
	return err
}

// answered takes a range off those that were asked for; ok is false when it is
// not one of them.
func (c *comparison) answered(request string, r change.Range) (d digest.Difference, ok bool) {
	d, ok = c.out[string(r.Lo)]
	if !ok || request != c.id || !bytes.Equal(r.Hi, d.Range.Hi) {
		return d, false
	}
	delete(c.out, string(r.Lo))
	c.outBytes -= expected(d)
	c.still, c.patience = 0, patienceBeats
	return d, true
}

// complete reports whether every range that differs is here.
func (c *comparison) complete() bool { return c.compared && len(c.left) == 0 && len(c.out) == 0 }

// passing lets errors through that the session has to deal with.
func passing(a *applier, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Class == fault.Refused {
		return err
	}
	if err != nil {
		a.im.logger.Debug("a request of a comparison failed and is sent again", "cause", err.Error())
	}
	return nil
}
