package pairing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/replicator/fault"
)

// Directory is the hub's view of the registry: the one that decides who may
// connect. Methods may run at once.
type Directory interface {
	// TokenPair names the pair of a token id.
	TokenPair(id string) (name string, ok bool)
	// Holder names who a public key is let in as.
	Holder(key string) (user string, ok bool)
	// Apply makes the entry count before it returns.
	Apply(Entry)
}

// Service answers join requests. One runs per hub, in the hub's process: only
// there can it know that an edge's key is let in before it tells the edge.
type Service struct {
	nc       *nats.Conn
	registry *Registry
	dir      Directory
	log      *slog.Logger
	requests chan *nats.Msg // filled by the connection; never closed
	sub      *nats.Subscription
}

// NewService subscribes; requests wait until Run.
func NewService(nc *nats.Conn, registry *Registry, dir Directory, log *slog.Logger) (*Service, error) {
	s := &Service{nc: nc, registry: registry, dir: dir, log: log, requests: make(chan *nats.Msg, 256)}
	var err error
	if s.sub, err = nc.ChanSubscribe(joinPrefix+"*", s.requests); err != nil {
		return nil, fmt.Errorf("offer the join service: %w", err)
	}
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("offer the join service: %w", err)
	}
	return s, nil
}

// Run answers, one request after the other, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	defer func() { _ = s.sub.Unsubscribe() }() // fails only when the connection is gone
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-s.requests:
			s.serve(ctx, m)
		}
	}
}

// answerTime bounds one request, so that a hub that cannot store does not keep
// the others waiting for ever.
const answerTime = 5 * time.Second

func (s *Service) serve(ctx context.Context, m *nats.Msg) {
	id := strings.TrimPrefix(m.Subject, joinPrefix)
	if !ReplyAllowed(JoinInbox(id), m.Reply) {
		s.log.WarnContext(ctx, "join request asks for its answer elsewhere; not answered", "token", id, "reply", printable(m.Reply, 128))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	grant, err := s.join(ctx, id, m.Data)
	if err != nil {
		s.log.WarnContext(ctx, "join refused", "token", id, "reason", err)
	} else {
		s.log.InfoContext(ctx, "edge joined", "token", id, "edge", grant.Name, "source", grant.Source, "channel", grant.Channel)
	}
	if err := m.Respond(answerOf(grant, err)); err != nil {
		s.log.WarnContext(ctx, "join answer not sent; the edge asks again", "token", id, "error", err)
	}
}

func answerOf(grant Grant, err error) []byte {
	a := joinAnswer{Version: joinVersion}
	var f *fault.Error
	switch {
	case err == nil:
		a.Grant = &grant
	case errors.As(err, &f) && f.Class == fault.Refused:
		a.Reason, a.Try = err.Error(), fault.Try(err)
	default:
		a.Reason, a.Busy = "the hub could not record the pair: "+err.Error(), true
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic("pairing: join answer does not encode: " + err.Error()) // plain strings and ints
	}
	return b
}

// join decides one request. A token is consumed by the compare-and-set of its
// record: of two edges with one token, one wins.
func (s *Service) join(ctx context.Context, tokenID string, data []byte) (Grant, error) {
	req, err := decodeJoinRequest(tokenID, data)
	if err != nil {
		return Grant{}, fault.New(fault.Refused, "run the same version of syncer on both sides", "%w", err)
	}
	name, ok := s.dir.TokenPair(tokenID)
	if !ok {
		return Grant{}, fault.New(fault.Refused, "syncer pair create, on the hub's side, for a new token",
			"token %s is not known to this hub", tokenID)
	}
	for {
		grant, err := s.tryJoin(ctx, name, tokenID, req)
		if !errors.Is(err, ErrConflict) {
			return grant, err
		}
	}
}

func (s *Service) tryJoin(ctx context.Context, name, tokenID string, req joinRequest) (Grant, error) {
	rec, revision, err := s.registry.read(ctx, name)
	if err != nil {
		return Grant{}, err
	}
	now := s.registry.now().UTC()
	if rec.TokenID == tokenID && rec.State == Paired && rec.EdgeKey == req.EdgeKey {
		return rec.Grant(), nil // the first answer was lost
	}
	if err := usable(rec, tokenID, now); err != nil {
		return Grant{}, err
	}
	if user, taken := s.dir.Holder(req.EdgeKey); taken {
		return Grant{}, fault.New(fault.Refused, "join with another --data-dir, which makes a key of its own",
			"this edge's key already belongs to %s", user)
	}
	rec.State, rec.Used, rec.EdgeKey = Paired, now, req.EdgeKey
	rec.Hostname, rec.Software = req.Hostname, req.Software
	revision, err = s.registry.set(ctx, rec, revision)
	if err != nil {
		return Grant{}, err
	}
	s.dir.Apply(Entry{Name: rec.Name, Revision: revision, Record: rec})
	return rec.Grant(), nil
}

// usable says precisely why a token is of no use any more.
func usable(rec Record, tokenID string, now time.Time) error {
	again := "syncer pair create " + rec.Name + " --policy " + rec.Policy + ", on the hub's side, for a new token"
	switch {
	case rec.TokenID != tokenID:
		return fault.New(fault.Refused, "use the newest token of "+rec.Name, "token %s was replaced by a newer one", tokenID)
	case rec.State == Removed:
		return fault.New(fault.Refused, again, "pair %s was removed %s ago", rec.Name, ago(now, rec.RemovedAt))
	case rec.State == Paired:
		return fault.New(fault.Refused, "if that was not you, run on the hub's side: syncer pair remove "+rec.Name,
			"token was already used by %s%s at %s", rec.Name, at(rec.Hostname), rec.Used.Format(time.RFC3339))
	case rec.Expired(now):
		return fault.New(fault.Refused, again+" (add --replace)",
			"token of %s expired %s ago, at %s", rec.Name, ago(now, rec.Expires), rec.Expires.Format(time.RFC3339))
	}
	return nil
}

func at(host string) string {
	if host == "" {
		return ""
	}
	return " (host " + host + ")"
}

// ago is a duration as people say it: one unit, never negative.
func ago(now, then time.Time) string {
	d := max(now.Sub(then), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
