package exporter

import (
	"context"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

const (
	// frameBytes is the size of the raw body at which a frame is closed.
	frameBytes = 256 << 10
	// partBytes is the most of a body that one message carries.
	partBytes = 256 << 10
	// partialBytes is the size above which one source revision is carried as
	// partial changesets, so that neither side holds all of it in memory.
	partialBytes = 8 << 20
)

// chain makes and publishes the frames of one channel. The channel's goroutine
// owns it.
type chain struct {
	source  string
	channel string
	writer  string
	pub     *jetstream.Publisher
	stored  func(link)

	head   change.Head // after the newest frame that was published
	buffer []change.Changeset
	size   int
}

// link is one message of the chain that the hub has stored.
type link struct {
	head  change.Head // after the message
	prev  change.Hash // of the message before it
	seq   uint64
	whole bool // it ends a frame
}

// add takes a changeset into the frame that is being filled.
func (c *chain) add(s change.Changeset) {
	c.buffer = append(c.buffer, s)
	c.size += s.Size() + 32*len(s.Changes)
}

// full reports whether the frame that is being filled wants to be published.
func (c *chain) full() bool { return c.size >= frameBytes }

// flush publishes the frame that is being filled, if it holds anything.
func (c *chain) flush(ctx context.Context) error {
	if len(c.buffer) == 0 {
		return nil
	}
	last := c.head.Revision
	for _, s := range c.buffer {
		if !s.Partial {
			last = s.Revision
		}
	}
	f := change.Frame{Kind: change.KindChanges, First: min(c.buffer[0].Revision, last), Last: last}
	f.Open = c.buffer[len(c.buffer)-1].Partial
	raw := change.EncodeChanges(c.buffer)
	c.buffer, c.size = c.buffer[:0], 0
	clear(c.buffer[:cap(c.buffer)])
	return c.publish(ctx, jetstream.LogSubject(c.source, c.channel), f, raw)
}

// state publishes a heartbeat or a reset at a revision.
func (c *chain) state(ctx context.Context, kind change.Kind, revision int64, s change.State) error {
	f := change.Frame{Kind: kind, First: revision, Last: revision}
	return c.publish(ctx, jetstream.LogSubject(c.source, c.channel), f, change.EncodeState(s))
}

// share publishes a compressed body that all edges of the channel may take.
func (c *chain) share(ctx context.Context, kind change.Kind, revision int64, body []byte) error {
	f := change.Frame{Kind: kind, First: revision, Last: revision}
	return c.publishBody(ctx, jetstream.LogSubject(c.source, c.channel), f, body)
}

// reply publishes a compressed body that answers one edge.
func (c *chain) reply(ctx context.Context, kind change.Kind, edge, request string, revision int64, body []byte) error {
	f := change.Frame{Kind: kind, First: revision, Last: revision, Request: request}
	return c.publishBody(ctx, jetstream.EdgeSubject(c.source, edge), f, body)
}

// order publishes a command to one edge, and calls stored once the hub has it.
func (c *chain) order(ctx context.Context, edge, request string, revision int64, raw []byte, stored func(seq uint64)) error {
	body, err := change.Compress(raw)
	if err != nil {
		return err
	}
	message := change.EncodeFrame(change.Frame{
		Kind: change.KindCommand, First: revision, Last: revision, Request: request, Parts: 1, Body: body,
		Channel: c.channel, Lineage: c.head.Lineage, Prev: c.head.Revision, PrevHash: c.head.Hash, Writer: c.writer, Sent: time.Now(),
	})
	if err := c.pub.Publish(ctx, jetstream.OrderSubject(c.source, edge), message, stored); err != nil {
		return fmt.Errorf("publish a command to edge %s on channel %s at revision %d: %w", edge, c.channel, revision, err)
	}
	return nil
}

// publish compresses a body and sends its frame.
func (c *chain) publish(ctx context.Context, subject string, f change.Frame, raw []byte) error {
	body, err := change.Compress(raw)
	if err != nil {
		return fmt.Errorf("publish %v of channel %s at revision %d: %w", f.Kind, c.channel, f.Last, err)
	}
	return c.publishBody(ctx, subject, f, body)
}

// publishBody sends a frame in as many messages as it needs. Each is a link of
// the chain of its own, unless it is for one edge.
func (c *chain) publishBody(ctx context.Context, subject string, f change.Frame, body []byte) error {
	f.Channel, f.Lineage, f.Writer, f.Sent = c.channel, c.head.Lineage, c.writer, time.Now()
	f.Prev = c.head.Revision
	f.Parts = uint32(max(1, (len(body)+partBytes-1)/partBytes))
	for f.Part = 0; f.Part < f.Parts; f.Part++ {
		f.PrevHash = c.head.Hash
		f.Body = body[int(f.Part)*partBytes : min(len(body), int(f.Part+1)*partBytes)]
		if err := c.send(ctx, subject, f); err != nil {
			return fmt.Errorf("publish %v of channel %s at revision %d: %w", f.Kind, c.channel, f.Last, err)
		}
		if f.Part != f.Parts-1 {
			failpoint.Hit(failpoint.PartSent)
		}
	}
	return nil
}

func (c *chain) send(ctx context.Context, subject string, f change.Frame) error {
	message := change.EncodeFrame(f)
	if !f.Kind.Chained() {
		return c.pub.Publish(ctx, subject, message, nil)
	}
	next := change.Head{Position: change.Position{Lineage: f.Lineage, Revision: c.head.Revision}, Hash: change.HashOf(message)}
	if f.Part == f.Parts-1 {
		next.Revision = f.Last
	}
	l := link{head: next, prev: c.head.Hash, whole: f.Part == f.Parts-1}
	err := c.pub.Publish(ctx, subject, message, func(seq uint64) {
		l.seq = seq
		c.stored(l)
	})
	if err == nil {
		c.head = next
	}
	return err
}

// split cuts a changeset that is too large into partial ones.
func split(s change.Changeset) []change.Changeset {
	if s.Size() <= partialBytes {
		return []change.Changeset{s}
	}
	var out []change.Changeset
	part := change.Changeset{Revision: s.Revision, Partial: true}
	size := 0
	for _, c := range s.Changes {
		if size > 0 && size+c.Size() > partialBytes/2 {
			out = append(out, part)
			part, size = change.Changeset{Revision: s.Revision, Partial: true}, 0
		}
		part.Changes = append(part.Changes, c)
		size += c.Size()
	}
	part.Partial = s.Partial
	return append(out, part)
}
