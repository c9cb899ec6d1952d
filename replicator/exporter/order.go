package exporter

import (
	"context"
	"errors"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// order is an operator's command on its way to an edge.
type order struct {
	command command.Command
	// stored gets a value once the hub has the command. It has room for it:
	// nobody may be waiting any more.
	stored chan struct{}
}

// orderTime bounds how long a command may take to the hub.
const orderTime = 8 * time.Second

// takeOrders answers operators until ctx is done: about policies, and with
// commands, which it hands to the channels of their edges.
func (t *term) takeOrders(ctx context.Context) error {
	stopPolicies, err := jetstream.ServePolicies(ctx, t.nc, t.cfg.Name, t.policy)
	if err != nil {
		return err
	}
	stop, err := jetstream.ServeCommands(t.nc, t.cfg.Name, func(req jetstream.CommandRequest) *jetstream.ReplyError {
		return t.order(ctx, req)
	})
	if err != nil {
		return errors.Join(err, stopPolicies())
	}
	t.logger.Info("taking commands to edges")
	<-ctx.Done()
	return errors.Join(context.Cause(ctx), stop(), stopPolicies())
}

// order publishes one command. When it gives nil, the hub holds the command in
// the order of the edge's frames.
func (t *term) order(ctx context.Context, req jetstream.CommandRequest) *jetstream.ReplyError {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	if err := req.Command.Check(); err != nil {
		return refuse(err.Error(), "run the same version of syncer on both sides")
	}
	c, refusal := t.channelOf(ctx, req.Edge, "syncer pair list")
	if refusal != nil {
		return refusal
	}
	if trouble := t.trouble(c.name); trouble != nil && req.Command.Verb.Compares() {
		return failing(c.name, trouble)
	}
	o := &order{command: req.Command, stored: make(chan struct{}, 1)}
	select {
	case c.requests <- request{edge: req.Edge, command: o}:
	default:
		return retryLater("queue the command to edge "+req.Edge, errors.New("too many requests wait"))
	}
	select {
	case <-o.stored:
		return nil
	case <-ctx.Done():
		return retryLater("publish the command to edge "+req.Edge, errors.New("the hub has not confirmed it; the edge does it once, however often it is sent"))
	}
}

// publishCommand sends a command behind everything that was published before.
func (c *channel) publishCommand(ctx context.Context, r request) error {
	o := r.command
	raw, err := o.command.Body()
	if err != nil {
		return err
	}
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	stored := func(uint64) { o.stored <- struct{}{} }
	return c.chain.order(ctx, r.edge, o.command.ID, c.at(), raw, stored)
}

// maxOrders bounds the bytes of commands in the answer to an attach. A third more as
// base64, they leave half of what the smallest hub takes to the rest of the answer.
const maxOrders = jetstream.MaxMessage * 3 / 8

// fitting are the oldest of the commands that an edge passed over, because it goes on
// from a later place of the stream. They are in the answer to its attach, so that it
// has them before those that were given later: of a pause and the resume after it the
// last one counts.
func fitting(messages []jetstream.Message) [][]byte {
	var out [][]byte
	size := 0
	for _, m := range messages {
		if size += len(m.Data); size > maxOrders {
			break
		}
		out = append(out, m.Data)
	}
	return out
}

// sendAgain queues the rest, if the commands are too many. The edge does once what
// it has done already.
func (c *channel) sendAgain(edge string, messages []jetstream.Message) {
	sent := make(map[string]bool, len(messages))
	for _, m := range messages {
		o, ok, err := command.FromMessage(m.Data)
		if err != nil || !ok || sent[o.ID] {
			continue // nobody can read it: the hub's administrator wrote it; or it is there twice
		}
		sent[o.ID] = true
		select {
		case c.requests <- request{edge: edge, command: &order{command: o, stored: make(chan struct{}, 1)}}:
		default:
			c.logger.Warn("a command is not sent again: too many requests wait", "channel", c.name, "edge", edge, "command", o.ID)
		}
	}
}
