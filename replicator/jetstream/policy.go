package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
)

// PolicyVerb is what an operator asks about policies.
type PolicyVerb string

// The verbs about policies.
const (
	PlanPolicies  PolicyVerb = "plan"   // say what the documents would change
	ApplyPolicies PolicyVerb = "apply"  // have the documents in force
	RemovePolicy  PolicyVerb = "remove" // have a policy that was applied no more
	ListPolicies  PolicyVerb = "list"   // say which are in force
)

// PolicyRequest is what an operator asks of the active exporter.
type PolicyRequest struct {
	Format    int              `json:"format"`
	Verb      PolicyVerb       `json:"verb"`
	Documents []PolicyDocument `json:"documents,omitempty"`
	Name      string           `json:"name,omitempty"`    // of the policy to remove, or to list alone
	Edge      string           `json:"edge,omitempty"`    // the only one to plan for; "" is all
	Approve   bool             `json:"approve,omitempty"` // the guard need not stop it
}

// PolicyDocument is a file with policies.
type PolicyDocument struct {
	File string `json:"file"` // its name, for messages
	Text string `json:"text"`
}

// PolicyReply answers a PolicyRequest. While the exporter reads the source it
// sends replies that hold Progress alone.
type PolicyReply struct {
	Format   int                 `json:"format"`
	Progress *PolicyProgress     `json:"progress,omitempty"`
	Error    *PolicyError        `json:"error,omitempty"`
	Plan     *command.PolicyPlan `json:"plan,omitempty"`
	Policies []PolicyInForce     `json:"policies,omitempty"`
}

// PolicyProgress tells how far a plan is.
type PolicyProgress struct {
	Keys uint64 `json:"keys"` // that were read of the source
}

// PolicyError is why a request about policies failed. Class is that of the
// command's end; 0 means that the same request may be answered later.
type PolicyError struct {
	Class   fault.Class `json:"class"`
	Message string      `json:"message"`
	Try     string      `json:"try,omitempty"`
}

// PolicyInForce is one policy of the exporter.
type PolicyInForce struct {
	Name     string    `json:"name"`
	Origin   string    `json:"origin"` // the configured file with the line, or the name of the applied one
	Applied  time.Time `json:"applied,omitzero"`
	PerEdge  bool      `json:"perEdge"`
	Channels []string  `json:"channels"`
	Edges    int       `json:"edges"`
	Problem  string    `json:"problem,omitempty"`
	Text     string    `json:"text,omitempty"` // when it was asked for by name
}

// policySilence is how long an exporter may say nothing to a request about
// policies, policyProgress how often it tells how far it is.
const (
	policySilence  = 15 * time.Second
	policyProgress = time.Second
)

// AskPolicy sends a request about policies to the active exporter of a source
// and waits for its reply; progress is called meanwhile. A reply may come
// together with an error: the plan that explains it.
//
// Errors have the class that the exporter gives them, and Unreachable when the
// request may be answered later; then ErrNoExporter is in the chain if no
// exporter is active.
func AskPolicy(ctx context.Context, nc *nats.Conn, source string, req PolicyRequest, progress func(PolicyProgress)) (PolicyReply, error) {
	req.Format = RPCFormat
	data, err := json.Marshal(req)
	if err != nil {
		return PolicyReply{}, fmt.Errorf("encode the request about policies: %w", err)
	}
	if int64(len(data)) > MaxPolicies+64<<10 {
		return PolicyReply{}, fault.New(fault.Usage, "apply fewer at a time", "the policies take %d KiB, and %d KiB at most can be sent", len(data)>>10, MaxPolicies>>10)
	}
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return PolicyReply{}, fmt.Errorf("listen for the exporter's reply: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	if err := nc.PublishRequest(PolicySubject(source), inbox, data); err != nil {
		return PolicyReply{}, fmt.Errorf("send the request about policies: %w", err)
	}
	for {
		reply, err := nextReply(ctx, sub, source)
		if err != nil || reply.Progress == nil {
			return reply, err
		}
		progress(*reply.Progress)
	}
}

func nextReply(ctx context.Context, sub *nats.Subscription, source string) (PolicyReply, error) {
	waiting, cancel := context.WithTimeout(ctx, policySilence)
	defer cancel()
	msg, err := sub.NextMsgWithContext(waiting)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return PolicyReply{}, fault.New(fault.Unreachable, "start it, or see its log: syncer export -c cloud.yaml",
			"%w for source %s, and it holds the policies", ErrNoExporter, source)
	case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return PolicyReply{}, fault.New(fault.Unreachable, "see that the exporter is healthy, and its log",
			"the exporter of source %s has said nothing for %v", source, policySilence)
	case err != nil:
		return PolicyReply{}, fmt.Errorf("wait for the exporter of source %s: %w", source, err)
	}
	var reply PolicyReply
	if err := json.Unmarshal(msg.Data, &reply); err != nil {
		return PolicyReply{}, fmt.Errorf("decode the exporter's reply about policies: %w", err)
	}
	if reply.Format != RPCFormat {
		return PolicyReply{}, fault.New(fault.Refused, "run the same version of syncer on both sides",
			"the exporter answers in format %d, this command reads format %d", reply.Format, RPCFormat)
	}
	return reply, reply.err()
}

func (r PolicyReply) err() error {
	switch e := r.Error; {
	case e == nil:
		return nil
	case e.Class == 0:
		return fault.New(fault.Unreachable, "run the command again", "the exporter cannot answer now: %s", e.Message)
	default:
		return fault.New(e.Class, e.Try, "%s", e.Message)
	}
}

// ServePolicies takes requests about policies of a source from when it returns
// until the returned stop function is called, which waits for a handler that is
// running; ctx should be done then. One handler runs at a time, on a goroutine
// of its own, and others who ask meanwhile are asked to come back.
func ServePolicies(ctx context.Context, nc *nats.Conn, source string, handler func(context.Context, PolicyRequest, func(PolicyProgress)) PolicyReply) (stop func() error, err error) {
	var running sync.WaitGroup
	var busy atomic.Bool
	sub, err := nc.Subscribe(PolicySubject(source), func(m *nats.Msg) {
		if !busy.CompareAndSwap(false, true) {
			respond(m, PolicyReply{Error: &PolicyError{Message: "it works on another request about policies"}})
			return
		}
		running.Go(func() {
			defer busy.Store(false)
			respond(m, takePolicy(ctx, m, handler))
		})
	})
	if err != nil {
		return nil, fmt.Errorf("take requests about policies of source %s: %w", source, err)
	}
	closed := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(closed) })
	if err := nc.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("take requests about policies of source %s: %w", source, err), sub.Unsubscribe())
	}
	return func() error {
		defer running.Wait()
		if err := sub.Drain(); err != nil {
			return fmt.Errorf("stop taking requests about policies: %w", err)
		}
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
		}
		return nil
	}, nil
}

func takePolicy(ctx context.Context, m *nats.Msg, handler func(context.Context, PolicyRequest, func(PolicyProgress)) PolicyReply) PolicyReply {
	var req PolicyRequest
	if err := json.Unmarshal(m.Data, &req); err != nil {
		return PolicyReply{Error: &PolicyError{Class: fault.Refused, Message: "the request is not valid: " + err.Error()}}
	}
	if req.Format != RPCFormat {
		return PolicyReply{Error: &PolicyError{
			Class:   fault.Refused,
			Message: fmt.Sprintf("the request has format %d, this exporter reads format %d", req.Format, RPCFormat),
			Try:     "run the same version of syncer on both sides",
		}}
	}
	told := time.Now()
	return handler(ctx, req, func(p PolicyProgress) {
		if time.Since(told) >= policyProgress {
			told = time.Now()
			respond(m, PolicyReply{Progress: &p})
		}
	})
}

// respond answers an operator, who asks again when no answer comes.
func respond(m *nats.Msg, r PolicyReply) {
	r.Format = RPCFormat
	data, err := json.Marshal(r)
	if err != nil {
		data = []byte(`{"format":1,"error":{"class":1,"message":"the reply could not be encoded"}}`)
	}
	_ = m.Respond(data)
}
