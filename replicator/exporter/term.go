package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

// errRetired ends a channel that nobody wants any more, or that begins anew
// with another selection. It ends no term.
var errRetired = errors.New("the channel is not wanted any more")

// term is the time in which this exporter is the one that writes. Its channels
// come and go with policies and pairs.
type term struct {
	*Exporter
	log   *jetstream.Log
	pub   *jetstream.Publisher
	store *jetstream.PolicyStore
	group *errgroup.Group
	life  context.Context // of the group: channels live until it is done
	// ignorance is why it is not known what importers write to the source; nil
	// when it is.
	ignorance atomic.Pointer[error]

	mu       sync.Mutex // of everything below; held while channels begin and end
	policies *policies
	owned    []Owned // that policies were last held against
	at       uint64  // of policies, in the store
	roster   roster
	kept     []byte // what linesFile holds
	wanted   []byte // what it is to hold
	running  map[string]*running
}

// work runs the term until something fails.
func (t *term) work(ctx context.Context) error {
	t.group, t.life = errgroup.WithContext(ctx)
	ctx = t.life
	t.group.Go(func() error {
		if err := t.begin(ctx); err != nil {
			return err
		}
		for _, part := range []func(context.Context) error{t.answerEdges, t.takeOrders, t.followPairs, t.followOwned, t.keepReporting} {
			t.group.Go(func() error { return part(ctx) })
		}
		return nil
	})
	return t.group.Wait()
}

func (t *term) answerEdges(ctx context.Context) error {
	stop, err := jetstream.Serve(t.nc, t.cfg.Name, t.pairs.MayReply, func(edge string, req jetstream.Request) jetstream.Reply {
		return t.answer(ctx, edge, req)
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(context.Cause(ctx), stop())
}

func (t *term) keepReporting(ctx context.Context) error {
	ticker := time.NewTicker(t.cfg.Heartbeat)
	defer ticker.Stop()
	for {
		if t.mu.TryLock() {
			t.keepWanted()
			t.mu.Unlock()
		}
		t.report(ctx, t.log)
		if err := t.overtaken(ctx); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin starts the channels of all known pairs.
func (t *term) begin(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.recallPolicies(ctx); err != nil {
		return err
	}
	edges, err := t.pairs.Edges(ctx)
	if err != nil {
		return fmt.Errorf("list the pairs: %w", err)
	}
	if t.owned, err = t.learnOwned(ctx, silentSource); err != nil {
		t.ignorance.Store(&err) // the channels wait
	}
	if err := t.muster(t.policies, edges); err != nil {
		return err
	}
	t.group.Go(func() error { return t.straighten(t.life) })
	return t.sweep(t.roster)
}

// straightenPause is the wait before the hub is asked again.
const straightenPause = time.Second

// straighten has edges attach again that were given another channel while no
// term of this exporter ran: their consumers go on by themselves. A hub that
// lacks a server cannot tell of all consumers, and nobody waits for it: it is
// asked until it can.
func (t *term) straighten(ctx context.Context) error {
	for {
		feeds, err := t.log.Feeds(ctx)
		if err == nil {
			return t.dropStale(ctx, feeds)
		}
		t.logger.Warn("the hub does not tell where edges are fed from, asking again", "cause", err.Error())
		select {
		case <-time.After(straightenPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (t *term) dropStale(ctx context.Context, feeds map[string]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for edge, channel := range feeds {
		if at, paired := t.roster.places[edge]; paired && at.channel != channel {
			t.logger.Info("an edge is fed from a channel that it does not belong to", "edge", edge, "channel", channel, "want", at.channel)
			if err := t.log.DropConsumer(ctx, edge); err != nil {
				return err
			}
		}
	}
	return nil
}

// muster brings the channels that run to those that policies and pairs ask for.
// A failure ends the term: what runs then is not known. The caller holds mu.
func (t *term) muster(p *policies, edges []Edge) error {
	err := t.bring(t.life, p.beside(t.owned), edges)
	if err != nil {
		t.group.Go(func() error { return err })
	}
	return err
}

func (t *term) bring(ctx context.Context, p *policies, edges []Edge) error {
	last, next := t.roster, enlist(p, edges, t.roster, t.logger)
	t.policies, t.roster = p, next
	if err := t.keep(p, next); err != nil {
		return err
	}
	members := next.members()
	for _, name := range slices.Sorted(maps.Keys(t.running)) {
		r := t.running[name]
		if l, wanted := next.lines[name]; wanted && l.selection.Digest() == r.line.selection.Digest() {
			r.members.Store(int64(members[name]))
			continue
		}
		if err := t.retire(ctx, r); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next.lines)) {
		if t.running[name] != nil {
			continue
		}
		t.start(next.lines[name], members[name])
	}
	return t.move(ctx, last, next)
}

// move has edges attach again that belong to another channel now, or to none:
// what they were fed from ends.
func (t *term) move(ctx context.Context, last, next roster) error {
	for name, at := range last.places {
		if at.channel == "" || next.places[name].channel == at.channel {
			continue
		}
		if err := t.log.DropConsumer(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// channelOf is the channel of an edge, or what who asks is told instead; try is
// the remedy for a pair that is missing. One that is new, or not what it was,
// has all channels looked at.
func (t *term) channelOf(ctx context.Context, edge, try string) (*channel, *jetstream.ReplyError) {
	pair, ok, err := t.pairs.Edge(ctx, edge)
	if err != nil {
		return nil, retryLater("look up the pairing of edge "+edge, err)
	}
	if !ok {
		return nil, refuse(fmt.Sprintf("edge %s is not paired with source %s", edge, t.cfg.Name), try)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.roster.places[edge]
	if !known || !at.edge.equal(pair) {
		if at, err = t.settle(ctx, pair); err != nil {
			return nil, retryLater("make the channel of edge "+edge, err)
		}
	}
	if at.refusal != nil {
		return nil, refusalOf(at.refusal)
	}
	r := t.running[at.channel]
	if r == nil {
		return nil, retryLater("find the channel of edge "+edge, errors.New("the term has ended"))
	}
	c := r.channel.Load()
	if c == nil {
		return nil, retryLater("find the channel of edge "+edge, errors.New("it is about to begin"))
	}
	return c, nil
}

// followPairs has the channels follow the pairs until ctx is done.
func (t *term) followPairs(ctx context.Context) error {
	return t.pairs.Follow(ctx, func(edges []Edge) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.roster.fits(edges) {
			return nil
		}
		return t.muster(t.policies, edges)
	})
}

// settle finds the place of an edge that was paired in this term. The caller
// holds mu.
func (t *term) settle(ctx context.Context, pair Edge) (place, error) {
	edges, err := t.pairs.Edges(ctx)
	if err != nil {
		return place{}, fmt.Errorf("list the pairs: %w", err)
	}
	edges = slices.DeleteFunc(edges, func(e Edge) bool { return e.Name == pair.Name })
	if err := t.muster(t.policies, append(edges, pair)); err != nil {
		return place{}, err
	}
	return t.roster.places[pair.Name], nil
}

// answer handles one request of an edge.
func (t *term) answer(ctx context.Context, edge string, req jetstream.Request) jetstream.Reply {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, refusal := t.channelOf(ctx, edge, "create the pair again: syncer pair create "+edge)
	if refusal != nil {
		return jetstream.Reply{Error: refusal}
	}
	if req.Channel != c.policy {
		return jetstream.Reply{Error: refuse(fmt.Sprintf("edge %s is paired with policy %s, it asks for %s", edge, c.policy, req.Channel), "join again with a new token")}
	}
	if trouble := t.trouble(c.name); trouble != nil && (req.Attach == nil || !c.attachable()) {
		return jetstream.Reply{Error: failing(c.name, trouble)}
	}
	if req.Attach != nil {
		reply, err := c.attach(ctx, edge, req.Attach)
		if err == nil {
			err = t.belongs(ctx, edge, c.name)
		}
		if err != nil {
			return jetstream.Reply{Error: retryLater("attach edge "+edge, err)}
		}
		return jetstream.Reply{Attach: reply}
	}
	select {
	case c.requests <- request{edge: edge, page: req.Page, ranges: req.Ranges}:
		return jetstream.Reply{}
	default:
		return jetstream.Reply{Error: retryLater("queue the request of edge "+edge, errors.New("too many requests wait"))}
	}
}

// belongs takes back what feeds an edge when that is not, or no longer, its channel:
// the policies or the pairs may change while it attaches, which takes a while, and
// who moves the edges then finds nothing yet.
func (t *term) belongs(ctx context.Context, edge, channel string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.roster.places[edge].channel == channel {
		return nil
	}
	if err := t.log.DropConsumer(ctx, edge); err != nil {
		return err
	}
	return fmt.Errorf("channel %s is not its own any more", channel)
}

func refuse(message, try string) *jetstream.ReplyError {
	return &jetstream.ReplyError{Message: message, Try: try}
}

// failing is what is told to whoever asks for what needs the source.
func failing(channel string, trouble error) *jetstream.ReplyError {
	reply := retryLater(fmt.Sprintf("channel %s fails", channel), trouble)
	reply.Try = fault.Try(trouble)
	return reply
}

func retryLater(doing string, err error) *jetstream.ReplyError {
	return &jetstream.ReplyError{Retry: true, Message: doing + ": " + err.Error()}
}

// recallPolicies reads the policies that were applied from the hub. What a hub
// has lost is put back from the copy. The caller holds mu.
func (t *term) recallPolicies(ctx context.Context) error {
	held, at, err := t.store.Load(ctx)
	if err != nil {
		return err
	}
	own := t.lastPolicies().applied
	if held.Generation < own.Generation {
		t.logger.Warn("the hub lost applied policies, they are put back", "generation", own.Generation, "held", held.Generation)
		if at, err = t.store.Save(ctx, own, at); err != nil {
			return err
		}
		held = own
	} else if held.Generation > own.Generation {
		if err := writeCopy(t.cfg.DataDir, held); err != nil {
			return err
		}
	}
	t.policies, t.at = gather(t.cfg.Policies, held, t.cfg.Cluster), at
	for name, err := range t.policies.broken {
		t.logger.Error("an applied policy cannot be used", "policy", name, "cause", err.Error(), "try", fault.Try(err))
	}
	return nil
}
