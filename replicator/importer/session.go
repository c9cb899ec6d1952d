package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// session is one attachment to the exporter: from the position that the target
// and the inbox give, until something fails.
type session struct {
	im      *Importer
	profile profile
	feed    *jetstream.Feed
	link    link
}

// session runs one session. What the inbox holds is applied first; that needs
// no hub. Then the edge attaches, and receives and applies until an error.
func (im *Importer) session(ctx context.Context) error {
	p, known, err := loadProfile(im.cfg.DataDir)
	if err != nil {
		return err
	}
	defer im.closeSight()
	head, seq, policy := change.Head{}, uint64(0), ""
	var a *applier
	if known {
		im.view.fed(p.Channel)
		if a, err = im.drain(ctx, p); err != nil {
			return err
		}
		if a, head, seq, err = im.standsAt(ctx, a, p); err != nil {
			return err
		}
		policy = a.cursor.Policy
		if im.dead.at(head.Hash) {
			head.Hash = change.Hash{} // which asks for a comparison
		}
	}
	failpoint.Hit(failpoint.AttachBefore)
	reply, at, err := im.attach(ctx, a, head, seq, policy)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.AttachAfter)
	for _, message := range reply.Orders { // before it comes to later ones
		im.order(message)
	}
	if len(reply.Ranges) == 0 {
		return errors.New("the exporter names no keys that the channel delivers: nothing is cleaned up on such a word")
	}
	if now := profileOf(reply); a == nil || now.Policy != p.Policy || now.Channel != p.Channel || !sameRanges(now.Ranges, p.Ranges) || len(now.Rules) != len(p.Rules) || now.Heartbeat != p.Heartbeat {
		p = now
		if err := p.save(im.cfg.DataDir); err != nil {
			return err
		}
		if a, err = im.drain(ctx, p); err != nil {
			return err
		}
	}
	return im.follow(ctx, a, p, reply, at)
}

// drain applies what the inbox holds and fits the target's cursor.
func (im *Importer) drain(ctx context.Context, p profile) (*applier, error) {
	a, err := im.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := a.noticeUpTo(ctx, a.modRev); err != nil { // before anything is applied
		return nil, err
	}
	if err := a.closeLoose(); err != nil {
		return nil, err
	}
	err = a.run(ctx, true)
	im.release(a)
	if err != nil && ctx.Err() == nil && !final(err) {
		return im.emptyInbox(ctx, p, err)
	}
	return a, err
}

// standsAt is the newest message that the edge has. Where it is paused, that is in
// the inbox: one that makes no sense is emptied.
func (im *Importer) standsAt(ctx context.Context, a *applier, p profile) (_ *applier, head change.Head, seq uint64, err error) {
	if a.cursor.Paused {
		head, seq, err = a.received(p.Channel)
		var format *change.FormatError
		if err == nil || errors.As(err, &format) {
			return a, head, seq, err
		}
		if a, err = im.emptyInbox(ctx, p, err); err != nil {
			return nil, head, 0, err
		}
	}
	head = change.Head{Position: change.Position{Lineage: a.cursor.Lineage, Revision: a.position}, Hash: a.seen}
	return a, head, a.seq, nil
}

// emptyInbox forgets an inbox that cannot be read or does not make sense: it is a
// cache.
func (im *Importer) emptyInbox(ctx context.Context, p profile, cause error) (*applier, error) {
	im.logger.Warn("the inbox is emptied, what it held is asked for again", "cause", cause.Error())
	if err := im.inbox.Reset(); err != nil {
		return nil, err
	}
	return im.prepare(ctx, p)
}

// attach asks the exporter until it answers. at is when it did, by its clock.
func (im *Importer) attach(ctx context.Context, a *applier, head change.Head, seq uint64, policy string) (_ *jetstream.AttachReply, at time.Time, err error) {
	req := &jetstream.AttachRequest{Head: head, Seq: seq, Policy: policy, Instance: im.cfg.Instance, Version: im.cfg.Version}
	// A question that an exporter took to its grave is asked again soon; a slow
	// link gets more time with each.
	patience := 2 * time.Second
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		reply, err := im.ask(ctx, jetstream.Request{Attach: req}, patience)
		if errors.Is(err, context.DeadlineExceeded) {
			patience = min(2*patience, 20*time.Second)
		}
		if err == nil && reply.Attach == nil {
			err = errors.New("the exporter answered without an attach reply")
		}
		if err == nil {
			im.view.trouble(partHub, nil)
			im.view.trouble(partPair, nil)
			return reply.Attach, reply.Now, nil
		}
		if ctx.Err() != nil {
			return nil, at, context.Cause(ctx)
		}
		var f *fault.Error
		if errors.As(err, &f) && f.Class == fault.Refused {
			im.view.trouble(partPair, err)
			pause = max(pause, 2*time.Second)
		} else {
			im.view.trouble(partHub, im.unreachable(err))
		}
		if err := im.rest(ctx, a, pause); err != nil {
			return nil, at, err
		}
	}
}

// errRested ends a rest that is over.
var errRested = errors.New("rested")

// rested is nil when only the rest is over.
func rested(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// rest waits, carries out commands that need no exporter, and puts right what
// others write to the target.
func (im *Importer) rest(ctx context.Context, a *applier, pause time.Duration) error {
	resting, stop := context.WithTimeoutCause(ctx, pause, errRested)
	defer stop()
	if a == nil { // the first session: nothing is known of the channel
		<-resting.Done()
		return rested(ctx)
	}
	for {
		if resting.Err() != nil || a.stir(resting) != nil {
			return rested(ctx)
		}
		if err := a.expire(); err != nil {
			return err
		}
		if err := a.obey(ctx); err != nil {
			return err
		}
		if err := a.notice(ctx); err != nil {
			return err
		}
		if err := a.retryDue(ctx); err != nil {
			return err
		}
	}
}

// unreachable says which side is missing.
func (im *Importer) unreachable(err error) error {
	switch {
	case !im.nc.IsConnected():
		cause := im.nc.LastError()
		if cause == nil {
			cause = err
		}
		return fault.New(fault.Unreachable, "check the link and the hub's address; the importer keeps trying", "the hub is not reachable: %w", cause)
	case errors.Is(err, jetstream.ErrNoExporter):
		return fault.New(fault.Unreachable, "start the exporter, or wait for a standby to take over", "%w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Unreachable, "look at the exporter: syncer status on the cloud side; the importer keeps asking", "no answer in time: %w", err)
	default:
		return err
	}
}

func (im *Importer) ask(ctx context.Context, req jetstream.Request, patience time.Duration) (*jetstream.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req.Channel = im.cfg.Channel
	return jetstream.Ask(ctx, im.nc, im.cfg.Source, im.cfg.Name, req)
}

// follow receives and applies from where the exporter attached the edge, at a time
// of its clock.
func (im *Importer) follow(ctx context.Context, a *applier, p profile, reply *jetstream.AttachReply, at time.Time) error {
	if reply.Action == jetstream.Resync {
		if err := im.restart(ctx, a, reply); err != nil {
			return err
		}
	}
	s := &session{im: im, profile: p, link: link{channel: reply.Channel, lineage: reply.Head.Lineage, hash: reply.Head.Hash, revision: reply.Head.Revision}}
	feed, err := jetstream.OpenFeed(ctx, im.nc, im.cfg.Source, im.cfg.Name)
	if err != nil {
		return err
	}
	s.feed = feed
	defer feed.Close()
	a.comparison.ask = func(ctx context.Context, req jetstream.Request) (time.Time, error) {
		reply, err := im.ask(ctx, req, 5*time.Second)
		if err != nil {
			return time.Time{}, err
		}
		return reply.Now, nil
	}
	if !a.cursor.Consistent {
		a.comparison.begin("the target does not hold a complete copy yet")
	}
	im.view.attach(at, p.Heartbeat)
	im.view.fed(reply.Channel)
	im.logger.Info("attached", "channel", reply.Channel, "action", reply.Action, "position", reply.Head.Position.String(), "reason", reply.Reason, "exporter", reply.Exporter)
	defer im.release(a)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.receive(ctx) })
	group.Go(func() error { return a.run(ctx, false) })
	err = group.Wait()
	if errors.Is(err, ErrGap) && s.link.hash == reply.Head.Hash || errors.Is(err, change.ErrMalformed) || errors.Is(err, errPolicyChanged) {
		im.dead.met(reply.Head.Hash)
	}
	return err
}

// deadEnd is a place in the chain behind which nothing fits, although the
// exporter fed the edge from there: what follows was lost or replaced, cannot be
// read, or is of a policy that there was in between.
type deadEnd struct {
	hash  change.Hash
	count int
}

func (d *deadEnd) met(hash change.Hash) {
	if d.hash != hash {
		*d = deadEnd{hash: hash}
	}
	d.count++
}

// at reports whether hash was such a place twice: the first time the exporter
// may not have noticed yet.
func (d *deadEnd) at(hash change.Hash) bool { return d.count > 1 && d.hash == hash }

// restart takes the edge to the head that the exporter names. What lies
// between is not known, so the target counts as inconsistent until a
// comparison proves the opposite.
func (im *Importer) restart(ctx context.Context, a *applier, reply *jetstream.AttachReply) error {
	head := reply.Head
	if head.Lineage == a.cursor.Lineage && head.Revision < a.cursor.Revision {
		return fmt.Errorf("the exporter stands at %v, behind this edge at %v: waiting for it", head.Position, a.cursor.Position())
	}
	failpoint.Hit(failpoint.RestartBefore)
	if err := im.inbox.Reset(); err != nil {
		return inboxTrouble(err)
	}
	failpoint.Hit(failpoint.RestartBetween)
	a.parts, a.next = assembly{}, im.inbox.Next()
	a.place = place{chain: head.Hash, seq: reply.Seq, behind: a.next}
	a.seen, a.synced, a.position = head.Hash, true, head.Revision
	cursor := a.cursor
	cursor.Lineage, cursor.Revision = head.Lineage, head.Revision
	cursor.Consistent, cursor.Torn = false, 0
	a.torn = nil
	cursor.Policy = reply.Policy
	cursor.Holds = union(cursor.Holds, a.ranges)
	cursor.Keeps = union(change.Without(cursor.Keeps, a.ranges), a.orphans())
	a.stand(&cursor)
	if err := a.commit(ctx, nil, cursor); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RestartAfter)
	im.view.resync(reply.Reason)
	im.logger.Info("comparing with the source", "reason", reply.Reason, "position", head.Position.String())
	return nil
}
