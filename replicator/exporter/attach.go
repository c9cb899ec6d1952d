package exporter

import (
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// request is a page or range request of an edge, handed to the channel.
type request struct {
	edge   string
	page   *jetstream.PageRequest
	ranges *jetstream.RangesRequest
}

type pageJob struct{ edge, id string }

// requestQueue bounds the requests that wait for a channel.
const requestQueue = 4096

// attach finds the place in the stream from which an edge is fed, and makes
// its consumer there.
func (c *channel) attach(ctx context.Context, edge string, req *jetstream.AttachRequest) (*jetstream.AttachReply, error) {
	c.mu.Lock()
	shown, next := c.shown, uint64(0)
	if shown.ready {
		next = shown.follows[req.Head.Hash]
	}
	c.mu.Unlock()
	if !shown.ready {
		return nil, &jetstream.ReplyError{Retry: true, Message: "the exporter is not ready yet"}
	}
	reply := &jetstream.AttachReply{
		Action:    jetstream.Resync,
		Head:      shown.head,
		Seq:       shown.seq,
		Ranges:    c.selection.TargetRanges(),
		Policy:    c.selection.Digest(),
		Heartbeat: c.heartbeat,
		Exporter:  c.chain.writer,
	}
	start, reason, err := c.resumeAt(ctx, req, shown, next)
	if err != nil {
		return nil, err
	}
	if reason == "" {
		reply.Action, reply.Head, reply.Seq = jetstream.Resume, req.Head, start-1
	} else {
		reply.Reason = reason
		start = shown.seq + 1
	}
	failpoint.Hit(failpoint.ConsumerSetBefore)
	if err := c.log.SetConsumer(ctx, edge, c.name, start); err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.ConsumerSetAfter)
	c.logger.Info("edge attached", "edge", edge, "channel", c.name, "action", reply.Action,
		"position", req.Head.Position.String(), "sequence", start, "reason", reason)
	return reply, nil
}

// resumeAt is the sequence of the message that follows the edge's head, or why
// there is none. Sequences are hints: what counts is the hash of the message.
func (c *channel) resumeAt(ctx context.Context, req *jetstream.AttachRequest, shown published, next uint64) (uint64, string, error) {
	switch {
	case req.Head.IsZero():
		return 0, "the edge is new", nil
	case req.Head.Hash.IsZero():
		return 0, fmt.Sprintf("what follows the edge's position leads nowhere (%v)", req.Head.Position), nil
	case req.Policy != c.selection.Digest():
		return 0, "the policy has changed", nil
	case req.Head.Hash == shown.head.Hash:
		return shown.seq + 1, "", nil
	}
	at := req.Seq
	if next != 0 {
		at = next
	}
	m, found, err := c.log.At(ctx, at)
	if err != nil {
		return 0, "", err
	}
	switch held := found && m.Subject == jetstream.LogSubject(c.chain.source, c.name); {
	case held && next != 0 && follows(m.Data, req.Head.Hash):
		return next, "", nil
	case held && next == 0 && change.HashOf(m.Data) == req.Head.Hash:
		return req.Seq + 1, "", nil
	}
	return 0, fmt.Sprintf("the stream no longer holds what follows the edge's position (%v)", req.Head.Position), nil
}

// follows reports whether a message is the frame behind head. What was
// published may be gone since: purged, or lost by a hub that was set back.
func follows(message []byte, head change.Hash) bool {
	f, err := change.DecodeFrame(message)
	return err == nil && f.PrevHash == head
}

// take handles a request in the order of the channel's frames.
func (c *channel) take(ctx context.Context, r request) error {
	switch {
	case r.page != nil:
		c.pages = append(c.pages, pageJob{edge: r.edge, id: r.page.ID})
		c.chunks.forget(r.edge)
		if len(c.requests) > 0 {
			return nil // the others may want the same page
		}
		return c.publishPage(ctx)
	case r.ranges != nil:
		for _, rg := range r.ranges.Ranges {
			if !c.chunks.add(chunkJob{edge: r.edge, request: r.ranges.ID, r: rg}) {
				c.logger.Warn("too many ranges wait to be read", "channel", c.name, "edge", r.edge)
				return nil // the edge asks again for what does not come
			}
		}
	}
	return nil
}

// publishPage makes one digest page for all edges that asked for one.
func (c *channel) publishPage(ctx context.Context) error {
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	ranges, err := c.index.page()
	if err != nil {
		return err
	}
	raw := change.EncodePage(ranges)
	failpoint.Hit(failpoint.PagePublishBefore)
	for _, p := range c.pages {
		if err := c.chain.reply(ctx, change.KindPage, p.edge, p.id, c.at(), raw); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.PagePublishAfter)
	c.pages = c.pages[:0]
	return nil
}
