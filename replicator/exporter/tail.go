package exporter

import (
	"context"
	"errors"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// tail is the newest frame of the channel on the stream.
type tail struct {
	found bool
	head  change.Head
	prev  change.Hash // of the frame before it
	seq   uint64
	open  bool // it ends within a revision
}

const (
	// tailFrames is how many frames of the channel are looked at to find the
	// tail, tailReads how many messages of the stream.
	tailFrames = 32
	tailReads  = 2048
)

// tail finds the newest frame that is a link of the chain. What somebody else
// wrote to the channel, and old frames that were appended again, are passed
// over: edges refuse them, so what followed them would be a gap for every edge.
func (c *channel) tail(ctx context.Context) (tail, error) {
	m, found, err := c.log.Tail(ctx, c.name)
	if err != nil || !found {
		return tail{}, err
	}
	var frames []tail               // newest first
	at := make(map[change.Hash]int) // place of the oldest copy among frames, from 1
	subject := jetstream.LogSubject(c.chain.source, c.name)
	for reads := 0; len(frames) < tailFrames; reads++ {
		if found && m.Subject == subject {
			t, err := c.tailOf(m)
			if err != nil {
				return tail{}, err
			}
			if t.found {
				frames = append(frames, t)
				at[t.head.Hash] = len(frames)
			}
			if t, ok := linked(frames, at); ok {
				return t, nil
			}
		}
		if m.Seq <= 1 || reads >= tailReads {
			break
		}
		seq := m.Seq - 1
		if m, found, err = c.log.At(ctx, seq); err != nil {
			return tail{}, err
		}
		m.Seq = seq
	}
	// What the tail followed is gone from the stream.
	for _, t := range frames {
		if t.prev == c.cp.Head.Hash || t.head.Hash == c.cp.Head.Hash {
			return t, nil
		}
	}
	if len(frames) == 0 {
		return tail{}, nil
	}
	return frames[0], nil
}

// linked is the newest of the frames that follows an older one and is not a
// copy of one.
func linked(frames []tail, at map[change.Hash]int) (tail, bool) {
	for i, t := range frames {
		if at[t.head.Hash] == i+1 && at[t.prev] > i+1 {
			return t, true
		}
	}
	return tail{}, false
}

// tailOf reads a message of the channel's subject. It is not found when
// somebody else wrote it.
func (c *channel) tailOf(m jetstream.Message) (tail, error) {
	f, err := change.DecodeFrame(m.Data)
	var format *change.FormatError
	if errors.As(err, &format) {
		return tail{}, fmt.Errorf("read the tail at sequence %d: %w", m.Seq, err)
	}
	if err == nil && f.Channel == c.name && f.Kind == change.KindPage {
		return tail{}, nil // a page for all edges stands between the links
	}
	if err != nil || f.Channel != c.name || !f.Kind.Chained() {
		c.logger.Error("a message of the channel is not a frame", "channel", c.name, "sequence", m.Seq)
		return tail{}, nil //nolint:nilerr // not a tail is the finding
	}
	t := tail{found: true, prev: f.PrevHash, seq: m.Seq}
	t.head = change.Head{Position: change.Position{Lineage: f.Lineage, Revision: f.Last}, Hash: change.HashOf(m.Data)}
	if f.Part != f.Parts-1 {
		t.head.Revision, t.open = f.Prev, true
		return t, nil
	}
	t.open = f.Open
	return t, nil
}
