package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// CommandRequest is what an operator asks of an edge, by way of the exporter.
type CommandRequest struct {
	Format  int             `json:"format"`
	Edge    string          `json:"edge"`
	Command command.Command `json:"command"`
}

// AskCommand sends a command to an edge. On return without an error the hub
// holds it, and the edge gets it in the order of its frames, when it is back
// at the latest. The same command may be sent again: the edge knows its ID.
//
// Errors have class Refused when the exporter refuses the command, and
// Unreachable when it may be taken later; then ErrNoExporter is in the chain
// if no exporter is active.
func AskCommand(ctx context.Context, nc *nats.Conn, source, edge string, c command.Command) error {
	data, err := json.Marshal(CommandRequest{Format: RPCFormat, Edge: edge, Command: c})
	if err != nil {
		return fmt.Errorf("encode the command %s to edge %s: %w", c.Verb, edge, err)
	}
	msg, err := nc.RequestWithContext(ctx, CommandSubject(source), data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fault.New(fault.Unreachable, "start it, or see its log: syncer export -c cloud.yaml",
			"%w for source %s, and commands to edges go through it", ErrNoExporter, source)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unreachable, "see that the exporter is healthy, and its log",
			"the exporter of source %s did not answer: %w", source, err)
	case err != nil:
		return fmt.Errorf("send the command %s to edge %s: %w", c.Verb, edge, err)
	}
	return refusedCommand(edge, msg.Data)
}

func refusedCommand(edge string, data []byte) error {
	var reply Reply
	if err := json.Unmarshal(data, &reply); err != nil {
		return fmt.Errorf("decode the exporter's reply to a command to edge %s: %w", edge, err)
	}
	switch e := reply.Error; {
	case reply.Format != RPCFormat:
		return fault.New(fault.Refused, "run the same version of syncer on both sides",
			"the exporter answers in format %d, this command reads format %d", reply.Format, RPCFormat)
	case e == nil:
		return nil
	case e.Retry:
		return fault.New(fault.Unreachable, cmp.Or(e.Try, "run the command again"), "the exporter cannot take the command now: %w", e)
	default:
		return fault.New(fault.Refused, e.Try, "the exporter refused the command: %w", e)
	}
}

// ServeCommands takes the commands to edges of a source from when it returns
// until the returned stop function is called, which waits for a handler that
// is running. The
// handler is called by one goroutine at a time; nil from it accepts.
func ServeCommands(nc *nats.Conn, source string, handler func(CommandRequest) *ReplyError) (stop func() error, err error) {
	closed := make(chan struct{})
	sub, err := nc.Subscribe(CommandSubject(source), func(m *nats.Msg) {
		data, err := json.Marshal(Reply{Format: RPCFormat, Error: takeCommand(m.Data, handler)})
		if err == nil {
			_ = m.Respond(data) // an operator who gets no answer asks again
		}
	})
	if err != nil {
		return nil, fmt.Errorf("take commands of source %s: %w", source, err)
	}
	sub.SetClosedHandler(func(string) { close(closed) })
	if err := nc.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("take commands of source %s: %w", source, err), sub.Unsubscribe())
	}
	return func() error {
		if err := sub.Drain(); err != nil {
			return fmt.Errorf("stop taking commands: %w", err)
		}
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
		}
		return nil
	}, nil
}

func takeCommand(data []byte, handler func(CommandRequest) *ReplyError) *ReplyError {
	var req CommandRequest
	if err := json.Unmarshal(data, &req); err != nil {
		return &ReplyError{Message: "the request is not valid: " + err.Error()}
	}
	if req.Format != RPCFormat {
		return &ReplyError{
			Message: fmt.Sprintf("the request has format %d, this exporter reads format %d", req.Format, RPCFormat),
			Try:     "run the same version of syncer on both sides",
		}
	}
	return handler(req)
}
