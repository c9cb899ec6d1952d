package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// Source is what a channel reads. *source.Source is the one on etcd, and its
// methods document what each promises.
type Source interface {
	Watch(ctx context.Context, from int64, sink func(source.Batch) error) error
	Nudge()
	Breaks() int64
	Current(ctx context.Context) (int64, error)
	Scan(ctx context.Context, r change.Range, fn func([]source.Item) error) (first, last int64, err error)
	ScanAt(ctx context.Context, r change.Range, rev int64, fn func([]source.Item) error) error
	Keys(ctx context.Context, r change.Range, fn func([]source.Item) error) (int64, error)
	Fetch(ctx context.Context, keys [][]byte, fn func(found []source.Item, missing [][]byte, rev int64) error) error
	Read(ctx context.Context, r change.Range) ([]source.Item, int64, error)
}

// commitEvery bounds how much of the source's history a restarted exporter
// reads again to bring its index to the tail.
const commitEvery = time.Second

// silentSource is how long the watch may say nothing before the source is
// asked whether it is there. A channel that went on with its heartbeats without
// its source would have edges call a state of the past in sync.
const silentSource = 3 * time.Second

// channel is one channel within a term. Its run goroutine owns everything but
// what mu guards.
type channel struct {
	name      string
	policy    string // by name
	selection *filter.Selection
	source    Source
	spool     *spool
	log       *jetstream.Log
	logger    *slog.Logger
	heartbeat time.Duration
	beats     func()     // called when the channel has done what it is for
	members   func() int // how many edges belong to the channel

	index     *index
	chain     *chain
	cp        checkpoint
	watch     *watching
	breaks    int64 // of the watch, when the history was last looked at
	doubt     doubt
	processed int64            // every event at or below it is in the index
	floor     int64            // changes at or below it are on the stream already
	newest    int64            // newest revision of the source that was heard of
	changed   int64            // newest revision that changed a key
	committed time.Time        // when the index was last committed
	beaten    time.Time        // when the last heartbeat was published
	beatDue   <-chan time.Time // for edges that have just attached; nil when there are none
	// whole: the term ended between two steps, so that what is in the index is
	// published or in the open frame. An index that is further than that is
	// forgotten: committed, its changes would never be published.
	whole  bool
	chunks chunks
	pages  pages

	requests chan request // sent by the request handler, never closed; outlives the channel

	mu     sync.Mutex
	shown  published
	report status.Channel
	edges  map[string]struct{} // that attached
}

// published is what the hub has acknowledged of a channel, for attaching
// edges.
type published struct {
	ready   bool
	head    change.Head
	seq     uint64
	follows map[change.Hash]uint64 // hash of a frame → sequence of the next one
	order   []change.Hash
}

// followed bounds how many frames published.follows remembers.
const followed = 4096

func (c *channel) stored(l link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.whole { // nobody can begin within a frame
		c.shown.ready = true
		c.shown.head, c.shown.seq = l.head, l.seq
	}
	c.shown.follows[l.prev] = l.seq
	c.shown.order = append(c.shown.order, l.prev)
	if len(c.shown.order) > followed {
		delete(c.shown.follows, c.shown.order[0])
		c.shown.order = slices.Delete(c.shown.order, 0, 1)
	}
}

// succeed takes over what edges and operators are told of a channel that
// failed in this term; nil is none.
func (c *channel) succeed(old *channel) {
	if old == nil {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	c.shown, c.report = old.shown, old.report
	// Edges that are attaching may still write to those of the old one.
	c.shown.follows, c.shown.order = maps.Clone(old.shown.follows), slices.Clone(old.shown.order)
	c.edges = maps.Clone(old.edges)
}

// attachable reports whether an edge can be fed from a place of the channel.
func (c *channel) attachable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.ready
}

// run owns the channel until the term ends. It never returns nil before ctx is
// done.
func (c *channel) run(ctx context.Context) error {
	defer c.stopWatching()
	defer c.chunks.stop()
	if err := c.recover(ctx); err != nil {
		return fmt.Errorf("channel %s: %w", c.name, err)
	}
	for {
		err := c.follow(ctx)
		c.stopWatching()
		if ctx.Err() != nil && !c.whole {
			return context.Cause(ctx)
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), c.finish())
		}
		if err := c.comeBack(ctx, err); err != nil {
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
}

// finish publishes nothing more; it makes the index durable for what the hub
// acknowledged, so that the next term starts where this one ended.
func (c *channel) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	return c.commit(ctx)
}

// comeBack decides what to do when a watch has ended.
func (c *channel) comeBack(ctx context.Context, err error) error {
	var compacted *source.Compacted
	var behind *source.Behind
	var back *source.WentBack
	if errors.Is(err, errReplayed) {
		if err = c.sameHistory(ctx); err == nil {
			return nil // the next watch is one of the source
		}
	}
	unread := errors.As(err, &compacted) || errors.As(err, &behind)
	switch {
	case unread && c.processed < c.floor:
		// The stream is ahead of the index. A comparison with the index would
		// not see what was made on the stream and is gone at the source.
		why := "the history between the exporter's index and the stream's tail is not readable: " + err.Error()
		if err = c.sameHistory(ctx); err == nil {
			return c.rebuild(ctx, why)
		}
	case unread:
		c.logger.Warn("history is not read, keys are compared instead", "channel", c.name, "cause", err.Error())
		err = c.compare(ctx)
	}
	if errors.As(err, &back) {
		c.logger.Warn("the source went back, a new lineage begins", "channel", c.name, "cause", err.Error())
		return c.newLineage(ctx, back.Error())
	}
	return err
}

// follow handles the channel's events until its watch ends or ctx is done.
func (c *channel) follow(ctx context.Context) error {
	if c.watch == nil {
		c.startWatching(ctx, c.processed+1)
	}
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	if err := c.beat(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(c.heartbeat)
	defer ticker.Stop()
	heard := time.Now()
	for {
		moved, err := c.flushWhenIdle(ctx)
		if err != nil {
			return err
		}
		c.chunks.start(ctx, c.source, c.selection)
		select {
		case b := <-c.watch.batches:
			heard = time.Now()
			err = c.process(ctx, b)
		case <-c.watch.done:
			return c.watch.err
		case <-moved:
		case r := <-c.requests:
			err = c.take(ctx, r)
		case <-c.beatDue:
			err = c.beat(ctx)
		case <-c.pages.due:
			err = c.publishPages(ctx)
		case r := <-c.chunks.results:
			err = c.read(ctx, r)
		case <-ticker.C:
			if time.Since(heard) > silentSource {
				if err := c.ping(ctx); err != nil {
					return err
				}
				heard = time.Now()
			}
			err = c.beat(ctx)
		case <-ctx.Done():
			c.whole = true
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// catchUp takes events until the index stands at the tail of the stream. What
// the stream holds already is not published again.
func (c *channel) catchUp(ctx context.Context) error {
	for c.processed < c.floor {
		c.source.Nudge()
		select {
		case b := <-c.watch.batches:
			if err := c.process(ctx, b); err != nil {
				return err
			}
		case <-c.watch.done:
			return c.watch.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// flushWhenIdle publishes the open frame when the hub is ready for it; while
// it is not, changes collect in the frame. It gives the channel to wait on.
func (c *channel) flushWhenIdle(ctx context.Context) (<-chan struct{}, error) {
	if len(c.chain.buffer) == 0 {
		return nil, nil
	}
	moved := c.chain.pub.Moved()
	if c.chain.full() || c.chain.pub.Idle() {
		return nil, c.chain.flush(ctx)
	}
	return moved, nil
}

// process takes a batch of the watch into the index and the open frame.
func (c *channel) process(ctx context.Context, b source.Batch) error {
	failpoint.Hit(failpoint.WatchTaken)
	if n := c.source.Breaks(); n != c.breaks {
		if err := c.sameHistory(ctx); err != nil {
			return err
		}
		c.breaks = n
	}
	for _, r := range b.Revisions {
		if r.Revision <= c.processed {
			continue
		}
		if err := c.chunks.publishBelow(ctx, c, r.Revision); err != nil {
			return err
		}
		if r.Revision <= c.processed {
			continue // a chunk had the index made anew, from a later revision
		}
		changes, err := c.apply(r.Events)
		if err != nil {
			return fmt.Errorf("revision %d: %w", r.Revision, err)
		}
		c.chunks.record(r.Revision, changes)
		c.processed = r.Revision
		if r.Revision > c.floor && len(changes) > 0 {
			c.changed = r.Revision
			for _, s := range split(change.Changeset{Revision: r.Revision, Changes: changes}) {
				c.chain.add(s)
				if c.chain.full() {
					if err := c.chain.flush(ctx); err != nil {
						return err
					}
				}
			}
		}
	}
	c.processed = max(c.processed, b.Resolved)
	c.newest = max(c.newest, c.processed)
	failpoint.Hit(failpoint.WatchIndexed)
	if err := c.settleDoubt(); err != nil {
		return err
	}
	return c.chunks.publishBelow(ctx, c, c.processed+1)
}

// apply brings events into the index and gives the changes that an edge has to
// see.
func (c *channel) apply(events []source.Event) ([]change.Change, error) {
	changes := make([]change.Change, 0, len(events))
	for _, e := range events {
		if !c.selection.Covers(e.Key) {
			continue
		}
		if known, ok := c.known(e.Key); ok && known >= e.ModRevision {
			continue // a list has seen more than this event
		}
		made, err := c.settle(e)
		if err != nil {
			return nil, err
		}
		changes = append(changes, made...)
	}
	return changes, nil
}

// beat publishes a heartbeat and commits the index.
func (c *channel) beat(ctx context.Context) error {
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.HeartbeatBefore)
	if err := c.chain.state(ctx, change.KindHeartbeat, c.at(), c.state("")); err != nil {
		return err
	}
	failpoint.Hit(failpoint.HeartbeatAfter)
	c.beaten, c.beatDue = time.Now(), nil
	c.show()
	if time.Since(c.committed) >= commitEvery {
		if err := c.commit(ctx); err != nil {
			return err
		}
	}
	c.beats()
	return nil
}

// ping makes sure that the source answers and may still be read.
func (c *channel) ping(ctx context.Context) error {
	current, err := answers(ctx, c.source)
	if err != nil {
		return err
	}
	c.newest = max(c.newest, current)
	return nil
}

// at is the revision of a frame that is published now.
func (c *channel) at() int64 { return max(c.processed, c.chain.head.Revision) }

func (c *channel) state(reason string) change.State {
	return change.State{
		SourceRevision: c.newest,
		Count:          c.index.total.Count,
		Sum:            c.index.total.Sum,
		Bytes:          c.index.bytes,
		Policy:         c.selection.Digest(),
		Reason:         reason,
		Refused:        c.index.refused,
	}
}

// commit waits until the hub has acknowledged everything that was published
// and makes the index durable.
func (c *channel) commit(ctx context.Context) error {
	if err := c.chain.pub.Flush(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	seq := c.shown.seq
	c.mu.Unlock()
	c.committed = time.Now()
	if c.index.dirty == 0 && c.cp.Head.Revision == c.chain.head.Revision {
		return nil
	}
	c.cp = checkpoint{Complete: true, Policy: c.selection.Digest(), Revision: c.processed, Head: c.chain.head, Seq: seq}
	if err := c.index.commit(c.cp); err != nil {
		return err
	}
	return c.spool.settle(c.cp.Revision)
}

func (c *channel) show() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Name = c.name
	c.report.Lineage = c.chain.head.Lineage
	c.report.Revision = c.at()
	c.report.Changed = c.changed
	c.report.Keys = c.index.total.Count
	c.report.Bytes = c.index.bytes
	c.report.Digest = c.index.total.String()
	c.report.Policy = c.selection.Digest()
	c.report.Released, c.report.Refused = c.index.released, c.refusals()
}

// watching is one watch of the source, run by a goroutine of its own.
type watching struct {
	batches chan source.Batch // sent by the watch goroutine, never closed
	done    chan struct{}     // closed by the watch goroutine after err is set
	err     error
	cancel  context.CancelFunc
}

// startWatching opens the watch at the first revision that is wanted.
func (c *channel) startWatching(ctx context.Context, from int64) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{batches: make(chan source.Batch), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.done)
		w.err = c.source.Watch(ctx, from, func(b source.Batch) error {
			select {
			case w.batches <- b:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if w.err == nil {
			w.err = errors.New("the watch of the source ended")
		}
	}()
	c.watch, c.breaks = w, c.source.Breaks()
}

// stopWatching ends the watch and waits for its goroutine.
func (c *channel) stopWatching() {
	if c.watch == nil {
		return
	}
	c.watch.cancel()
	<-c.watch.done
	c.watch = nil
}
