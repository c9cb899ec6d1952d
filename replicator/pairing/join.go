package pairing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/jetstream/conn"
)

// JoinOptions say which hub an edge joins, and with what.
type JoinOptions struct {
	URL     string
	Token   string // the text that syncer pair create printed
	TLS     conn.TLS
	KeyFile string // where the edge's own key is or will be; mode 0600

	Hostname string // told to the hub, to recognise the edge by; may be empty
	Software string // version of syncer; may be empty
	Logger   *slog.Logger
}

// Join enrols this edge. It first makes the edge's key, durably, so that a
// token is never consumed for a key that is lost; then asks; then connects once
// as the new edge, so that a returned grant is known to work.
//
// It may be run again with the same key file after any failure: the same key
// gets the same grant, also when the first answer was lost. Errors are
// fault.Errors: Refused for a token that is wrong, expired, used, removed or
// unknown to the hub, Unreachable when there is no hub.
func Join(ctx context.Context, o JoinOptions) (Grant, error) {
	token, err := ParseToken(o.Token)
	if err != nil {
		return Grant{}, err
	}
	edge, err := EnsureKey(o.KeyFile)
	if err != nil {
		return Grant{}, err
	}
	defer edge.Wipe()
	failpoint.Hit(failpoint.GrantBefore)
	grant, err := o.ask(ctx, token, edge)
	if err != nil {
		return Grant{}, err
	}
	failpoint.Hit(failpoint.GrantAfter)
	if err := o.prove(ctx, grant, edge); err != nil {
		return Grant{}, fmt.Errorf("the hub granted %s, but does not let it in: %w", grant.Name, err)
	}
	return grant, nil
}

// connect clears the seed.
func (o JoinOptions) connect(ctx context.Context, seed []byte, name, inbox string, v *conn.Violations) (*nats.Conn, error) {
	defer clear(seed)
	return conn.Connect(ctx, conn.Options{
		URLs: []string{o.URL}, Seed: seed, TLS: o.TLS, Name: name, InboxPrefix: inbox, Logger: o.Logger, Violations: v,
	})
}

func (o JoinOptions) ask(ctx context.Context, token Token, edge nkeys.KeyPair) (Grant, error) {
	seed, err := token.Seed()
	if err != nil {
		return Grant{}, err
	}
	var refusals conn.Violations
	nc, err := o.connect(ctx, seed, "token "+token.ID(), JoinInbox(token.ID()), &refusals)
	if errors.Is(err, nats.ErrAuthorization) {
		return Grant{}, fault.New(fault.Refused,
			"see that "+o.URL+" is the hub where the token was made; for a new one run there: syncer pair create",
			"token %s is not known to the hub at %s: %w", token.ID(), o.URL, err)
	}
	if err != nil {
		return Grant{}, err
	}
	defer nc.Close()
	body, err := o.request(token, edge)
	if err != nil {
		return Grant{}, err
	}
	return o.exchange(ctx, nc, &refusals, token, body)
}

func (o JoinOptions) request(token Token, edge nkeys.KeyPair) ([]byte, error) {
	req, err := newJoinRequest(token.ID(), edge)
	if err != nil {
		return nil, fmt.Errorf("sign the join request: %w", err)
	}
	req.Hostname, req.Software = o.Hostname, o.Software
	return json.Marshal(req)
}

const (
	joinAttempts = 3
	attemptTime  = 10 * time.Second
)

// exchange asks until there is an answer that decides. Asking again is safe:
// the hub knows the edge's key.
func (o JoinOptions) exchange(ctx context.Context, nc *nats.Conn, v *conn.Violations, token Token, body []byte) (Grant, error) {
	var last error
	for range joinAttempts {
		answer, err := o.attempt(ctx, nc, v, token, body)
		switch {
		case err == nil && answer.Grant != nil:
			return *answer.Grant, nil
		case err == nil && !answer.Busy:
			return Grant{}, fault.New(fault.Refused, answer.Try, "the hub at %s refused: %s", o.URL, answer.Reason)
		case err == nil:
			last = errors.New(answer.Reason)
		case errors.Is(err, nats.ErrNoResponders):
			return Grant{}, fault.New(fault.Unreachable, "join at a hub that syncer runs (syncer hub, or hub.embedded of the exporter)",
				"the hub at %s does not answer join requests: %w", o.URL, err)
		default:
			last = err
		}
		if ctx.Err() != nil || fault.ExitCode(last) == int(fault.Refused) {
			break
		}
	}
	return Grant{}, fmt.Errorf("join the hub at %s: %w", o.URL, last)
}

func (o JoinOptions) attempt(ctx context.Context, nc *nats.Conn, v *conn.Violations, token Token, body []byte) (joinAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	m, err := v.Request(ctx, nc, JoinSubject(token.ID()), body)
	if errors.Is(err, context.DeadlineExceeded) {
		return joinAnswer{}, fault.New(fault.Timeout, "run the same command again: it goes on where it stopped", "no answer to the join request: %w", err)
	}
	if err != nil {
		return joinAnswer{}, err
	}
	answer, err := decodeJoinAnswer(m.Data)
	if err != nil {
		return answer, fault.New(fault.Refused, "run the same version of syncer on both sides", "%w", err)
	}
	return answer, nil
}

// prove connects as the edge that the grant names.
func (o JoinOptions) prove(ctx context.Context, g Grant, edge nkeys.KeyPair) error {
	seed, err := cloneSeed(edge)
	if err != nil {
		return err
	}
	nc, err := o.connect(ctx, seed, g.Name, jetstream.InboxPrefix(g.Name), nil)
	if err != nil {
		return err
	}
	nc.Close()
	return nil
}
