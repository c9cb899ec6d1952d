package exporter

import (
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

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
		Channel:   c.name,
		Action:    jetstream.Resync,
		Head:      shown.head,
		Seq:       shown.seq,
		Ranges:    c.selection.TargetRanges(),
		Rules:     c.selection.Rules(),
		Policy:    c.selection.Digest(),
		Heartbeat: c.heartbeat,
		Exporter:  c.chain.writer,
	}
	start, reason, err := c.resumeAt(ctx, req, shown, next)
	if err == nil && reason == "" {
		reason, err = c.tooMuch(ctx, start)
	}
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
	from := unseen(reply.Action, req.Seq, start)
	passed, err := c.log.Orders(ctx, edge, from, start)
	if err != nil {
		return nil, err
	}
	reply.Orders = fitting(passed)
	if err := c.log.SetConsumer(ctx, edge, c.name, start, from); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.edges[edge] = struct{}{}
	c.mu.Unlock()
	c.sendAgain(edge, passed[len(reply.Orders):])
	select {
	case c.requests <- request{edge: edge, beat: true}:
	default: // the next heartbeat is as good
	}
	failpoint.Hit(failpoint.ConsumerSetAfter)
	c.logger.Info("edge attached", "edge", edge, "channel", c.name, "action", reply.Action,
		"position", req.Head.Position.String(), "sequence", start, "reason", reason)
	return reply, nil
}

// unseen is the sequence from which on an edge that is fed from start may have
// missed commands. What it saw it is not sent again: no command would ever go
// away. The frames between its last one and start need not be there any more,
// so that there are commands to miss although nothing else is.
func unseen(action string, seen, start uint64) uint64 {
	if action == jetstream.Resync || seen >= start {
		return 1
	}
	return seen + 1
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

// replayBytes is how much history is always replayed: it brings every revision
// by itself, which a comparison does not.
const replayBytes = 1 << 20

// tooMuch says why an edge compares although its history is here: to replay it
// would cost more than to send everything that the channel holds. Heartbeats
// count: those of a week are more than many a channel.
func (c *channel) tooMuch(ctx context.Context, start uint64) (string, error) {
	missed, err := c.log.Backlog(ctx, start)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	all := int64(c.report.Bytes) / compression
	c.mu.Unlock()
	if missed <= max(replayBytes, all) {
		return "", nil
	}
	return fmt.Sprintf("what the edge missed, about %d KiB, is more than a comparison can cost, %d KiB at most", missed>>10, all>>10), nil
}

// compression is how many bytes of keys and values take one on the link, about.
const compression = 2

// follows reports whether a message is the frame behind head. What was
// published may be gone since: purged, or lost by a hub that was set back.
func follows(message []byte, head change.Hash) bool {
	f, err := change.DecodeFrame(message)
	return err == nil && f.PrevHash == head
}
