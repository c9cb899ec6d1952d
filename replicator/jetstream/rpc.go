package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/fault"
)

// RPCFormat is the version of requests and replies. A side that meets another
// one refuses; it never guesses.
const RPCFormat = 1

// Request is what an edge asks its exporter. Exactly one of the parts is set.
// The edge's name is not in it: it is in the subject, which the hub lets only
// this edge use.
type Request struct {
	Format  int            `json:"format"`
	Channel string         `json:"channel"` // the policy's name, which is all that an edge knows
	Attach  *AttachRequest `json:"attach,omitempty"`
	Page    *PageRequest   `json:"page,omitempty"`
	Ranges  *RangesRequest `json:"ranges,omitempty"`
}

// AttachRequest says where the edge stands and asks to be fed from there.
type AttachRequest struct {
	Head     change.Head `json:"head"` // the last frame that it has verified
	Seq      uint64      `json:"seq"`  // where it saw that frame: a hint
	Policy   string      `json:"policy"`
	Instance string      `json:"instance"`
	Version  string      `json:"version"`
}

// PageRequest asks for the channel's digest page.
type PageRequest struct {
	ID string `json:"id"`
	// Deep has the exporter read the source first and hold its index against
	// it.
	Deep bool `json:"deep,omitempty"`
}

// RangesRequest asks for the complete content of key ranges, as chunks in the
// order of the ranges, or what differs in them, as findings.
type RangesRequest struct {
	ID     string        `json:"id"`
	Ranges []RangeWanted `json:"ranges"`
	Slot   int           `json:"slot"` // of the prints
	// Thin tells that the edge's link is slow: chunks are made small rather
	// than quickly.
	Thin bool `json:"thin,omitempty"`
	// Dry asks for findings. Names is how many keys they may name together.
	Dry   bool `json:"dry,omitempty"`
	Names int  `json:"names,omitempty"`
}

// RangeWanted is a range, and what the edge holds in it. With no prints it
// holds nothing, or wants everything.
type RangeWanted struct {
	change.Range
	Prints digest.Prints `json:"prints,omitempty"`
}

// Actions of an attach reply.
const (
	// Resume: the next frame follows the head that the edge named.
	Resume = "resume"
	// Resync: history between the edge and Head is not available; the edge
	// goes on from Head and compares.
	Resync = "resync"
)

// Reply answers a Request.
type Reply struct {
	Format int          `json:"format"`
	Now    time.Time    `json:"now"` // by the exporter's clock, like the times of frames
	Error  *ReplyError  `json:"error,omitempty"`
	Attach *AttachReply `json:"attach,omitempty"`
}

// AttachReply says from where the edge is fed.
type AttachReply struct {
	Channel   string            `json:"channel"` // whose frames the edge is fed
	Action    string            `json:"action"`
	Head      change.Head       `json:"head"` // the frame that the next one follows
	Seq       uint64            `json:"seq"`  // its sequence
	Ranges    []change.Range    `json:"ranges"`
	Rules     []filter.RuleInfo `json:"rules"`
	Policy    string            `json:"policy"`
	Heartbeat time.Duration     `json:"heartbeat"`
	Exporter  string            `json:"exporter"`
	Reason    string            `json:"reason,omitempty"`
	// Orders are the messages with commands that the edge does not come past any
	// more, oldest first. Those that it will come past were given later.
	Orders [][]byte `json:"orders,omitempty"`
}

// ReplyError is a refusal.
type ReplyError struct {
	// Retry tells that the same request may be answered later.
	Retry   bool   `json:"retry"`
	Message string `json:"message"`
	Try     string `json:"try,omitempty"`
}

func (e *ReplyError) Error() string { return e.Message }

// ErrNoExporter tells that nobody answers on the hub: the exporter is away, or
// not the active one yet.
var ErrNoExporter = errors.New("no exporter answers on the hub")

// Ask sends a request of an edge and waits for the reply. A refusal that will
// not go away by itself has class Refused; ErrNoExporter and refusals that may
// be retried are for the caller to repeat.
func Ask(ctx context.Context, nc *nats.Conn, source, edge string, req Request) (*Reply, error) {
	req.Format = RPCFormat
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the request of edge %s: %w", edge, err)
	}
	msg, err := nc.RequestWithContext(ctx, RPCSubject(source, edge), data)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("%w for source %s", ErrNoExporter, source)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the exporter of source %s: %w", source, err)
	}
	var reply Reply
	if err := json.Unmarshal(msg.Data, &reply); err != nil {
		return nil, fmt.Errorf("decode the exporter's reply: %w", err)
	}
	if reply.Format != RPCFormat {
		return nil, fault.New(fault.Refused, "run the same version of syncer on both sides",
			"the exporter answers in format %d, this edge reads format %d", reply.Format, RPCFormat)
	}
	if reply.Error != nil && !reply.Error.Retry {
		return nil, fault.New(fault.Refused, reply.Error.Try, "the exporter refused: %w", reply.Error)
	}
	if reply.Error != nil {
		return nil, fmt.Errorf("the exporter asks to try again: %w", reply.Error)
	}
	return &reply, nil
}

// Serve answers the requests of all edges of a source until the returned stop
// function is called, which waits for a handler that is running. The handler
// is called by one goroutine at a time. mayReply says whether a reply to the
// edge may go to a subject: the edge chooses it, and the exporter may publish
// where the edge may not.
func Serve(nc *nats.Conn, source string, mayReply func(edge, subject string) bool, handler func(edge string, req Request) Reply) (stop func() error, err error) {
	closed := make(chan struct{})
	sub, err := nc.Subscribe(RPCSubject(source, "*"), func(m *nats.Msg) {
		edge := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		if !mayReply(edge, m.Reply) {
			return // it would have the exporter publish for it
		}
		reply := answer(edge, m.Data, handler)
		reply.Format, reply.Now = RPCFormat, time.Now()
		data, err := json.Marshal(reply)
		if err != nil {
			data = []byte(`{"format":1,"error":{"message":"the reply could not be encoded"}}`)
		}
		_ = m.Respond(data) // an edge that gets no answer asks again
	})
	if err != nil {
		return nil, fmt.Errorf("serve requests of source %s: %w", source, err)
	}
	sub.SetClosedHandler(func(string) { close(closed) })
	return func() error {
		if err := sub.Drain(); err != nil {
			return fmt.Errorf("stop serving requests: %w", err)
		}
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
		}
		return nil
	}, nil
}

func answer(edge string, data []byte, handler func(string, Request) Reply) Reply {
	var req Request
	if err := json.Unmarshal(data, &req); err != nil {
		return Reply{Error: &ReplyError{Message: "the request is not valid: " + err.Error()}}
	}
	if req.Format != RPCFormat {
		return Reply{Error: &ReplyError{
			Message: fmt.Sprintf("the request has format %d, this exporter reads format %d", req.Format, RPCFormat),
			Try:     "run the same version of syncer on both sides",
		}}
	}
	return handler(edge, req)
}
