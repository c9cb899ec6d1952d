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

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// Config is what an exporter needs to know.
type Config struct {
	Name       string // the source's name
	Instance   string // stable for a data directory, different for every other one
	Version    string
	DataDir    string // locked by the caller
	Heartbeat  time.Duration
	SpoolBytes int64 // the most that is spooled of a channel while the hub is away
	Stream     jetstream.LogConfig
	Policies   []filter.Policy // of the configuration; others may be applied
	Cluster    filter.Cluster  // the source
	Tier       string          // what the source can give, for reports
	// Owned, which may be nil, gives what importers write to the source. What
	// they write is not exported.
	Owned func(ctx context.Context) ([]Owned, error)
	// Ready, which may be nil, says what the hub lacks, before each term: a
	// limit that was lowered would end each term at the first large frame.
	Ready func(ctx context.Context) error
}

// Pairs tells which edges are paired with the source.
type Pairs interface {
	// Edge is a paired edge; ok is false when it is not paired, or no longer.
	Edge(ctx context.Context, name string) (e Edge, ok bool, err error)
	// Edges are all that are paired, and those that may still join.
	Edges(ctx context.Context) ([]Edge, error)
	// Follow calls fn with what Edges gives, whenever that may have changed and
	// never at once, until ctx is done or fn fails. A hub that is away is waited
	// for.
	Follow(ctx context.Context, fn func([]Edge) error) error
	// MayReply reports whether a subject is the edge's own.
	MayReply(edge, subject string) bool
}

// Exporter publishes the channels of one source. Make it with New, then Run
// it once.
type Exporter struct {
	cfg    Config
	nc     *nats.Conn
	open   func(*filter.Selection) (Source, error)
	pairs  Pairs
	logger *slog.Logger

	spoolers spoolers // only Run's goroutine starts and stops them
	refusals refusals

	mu       sync.Mutex
	role     string
	reason   string
	last     known               // what the newest term followed
	channels map[string]*channel // those that run
	ailing   map[string]error    // by channel of the term: why it failed, until it does what it is for
	spools   map[string]*spool   // by channel
	resets   map[string]int64    // by channel
}

// New makes an exporter. open gives the reader of one selection; an error of it
// is one of the source, which is tried again.
func New(cfg Config, nc *nats.Conn, open func(*filter.Selection) (Source, error), pairs Pairs, logger *slog.Logger) *Exporter {
	return &Exporter{
		cfg: cfg, nc: nc, open: open, pairs: pairs, logger: logger, role: "standby",
		channels: map[string]*channel{}, ailing: map[string]error{}, spools: map[string]*spool{}, resets: map[string]int64{},
		last: recall(cfg, logger),
	}
}

// Run exports until ctx is done, and then returns nil. Whatever goes wrong on
// the way (the source, the hub, another exporter) ends the term and is tried
// again; only an error that cannot go away by itself is returned.
//
// While no term runs because the hub is away, the source's history goes to the
// spools.
func (e *Exporter) Run(ctx context.Context) (err error) {
	defer func() {
		e.stopSpooling()
		err = errors.Join(err, e.closeSpools())
	}()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for {
		began := time.Now()
		err := e.term(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var format *change.FormatError
		if errors.As(err, &format) {
			return err
		}
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		e.refusals.learn(err)
		e.note("standby", fault.Describe(err))
		if errors.As(err, new(unready)) {
			e.logger.Warn("the hub is not usable, trying again", "cause", err.Error(), "try", fault.Try(err))
		} else {
			e.logger.Warn("the term ended", "cause", err.Error(), "try", fault.Try(err))
		}
		e.startSpooling(ctx)
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Exporter) note(role, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.role, e.reason = role, reason
}

// unready is what the hub lacks for a term.
type unready struct{ error }

func (u unready) Unwrap() error { return u.error }

// term waits until nobody else writes, then exports until something fails.
func (e *Exporter) term(ctx context.Context) (err error) {
	if e.cfg.Ready != nil {
		if err := e.cfg.Ready(ctx); err != nil {
			return unready{err}
		}
	}
	log, err := jetstream.OpenLog(ctx, e.nc, e.cfg.Stream)
	if err != nil {
		return err
	}
	e.stopSpooling() // the hub is there; a standby does not spool what another exporter publishes
	last, err := e.standBy(ctx, log)
	if err != nil {
		return err
	}
	pub := log.NewPublisher(e.refusals.end(last))
	defer func() { err = errors.Join(err, pub.Close()) }()

	store, err := jetstream.OpenPolicies(ctx, e.nc, e.cfg.Name, e.cfg.Stream.Replicas)
	if err != nil {
		return err
	}
	e.mu.Lock()
	clear(e.ailing)
	e.mu.Unlock()
	t := &term{Exporter: e, log: log, pub: pub, store: store, running: map[string]*running{}}
	return t.work(ctx)
}

// standBy returns the stream's last sequence once nobody else writes: when the
// newest message is this exporter's own, or when the stream has stood still
// for longer than any active exporter is silent whose source is there. One that
// tells of itself all the same keeps its place unless this one can do better.
func (e *Exporter) standBy(ctx context.Context, log *jetstream.Log) (uint64, error) {
	last, err := log.LastSeq(ctx)
	if err != nil {
		return 0, err
	}
	m, found, err := log.At(ctx, last)
	if err != nil {
		return 0, err
	}
	if last == 0 || found && writerOf(m.Data) == e.cfg.Instance {
		return last, nil
	}
	e.note("standby", "another exporter is active")
	e.logger.Info("standing by while another exporter writes", "sequence", last)
	ticker := time.NewTicker(e.cfg.Heartbeat)
	defer ticker.Stop()
	told := e.toldOf(ctx, log)
	for still := 0; still < 4; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		now, err := log.LastSeq(ctx)
		if err != nil {
			return 0, err
		}
		still++
		if now != last {
			last, still = now, 0
		}
		if still < 4 {
			continue
		}
		before := told
		if told = e.toldOf(ctx, log); told != before && !e.canRead(ctx) {
			still = 0
		}
	}
	e.logger.Info("the stream stands still, taking over", "sequence", last)
	return last, nil
}

// toldOf is when another exporter last told of itself; the zero time when none
// did.
func (e *Exporter) toldOf(ctx context.Context, log *jetstream.Log) time.Time {
	report, err := log.LastReport(ctx)
	if err != nil || report == nil || report.Instance == e.cfg.Instance {
		return time.Time{}
	}
	return report.Reported
}

// canRead reports whether the source tells all that a channel needs to begin:
// what importers write there, and its revision to one of the channels that are
// known here. An exporter that knows none cannot ask for more.
func (e *Exporter) canRead(ctx context.Context) bool {
	if _, err := e.learnOwned(ctx, silentSource); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, silentSource)
	defer cancel()
	lines := e.lastLines()
	for _, l := range lines {
		if from, err := e.open(l.selection); err == nil {
			if _, err = answers(ctx, from); err == nil {
				return true
			}
		}
	}
	return len(lines) == 0
}

func writerOf(message []byte) string {
	f, err := change.DecodeFrame(message)
	if err != nil {
		return "" // not a frame of ours: somebody else writes
	}
	return f.Writer
}

// newChannel makes a channel that has nothing to read yet.
func (e *Exporter) newChannel(l line, log *jetstream.Log, pub *jetstream.Publisher) *channel {
	c := &channel{
		name:      l.name,
		policy:    l.policy,
		selection: l.selection,
		spool:     e.spool(l.name),
		log:       log,
		logger:    e.logger,
		heartbeat: e.cfg.Heartbeat,
		members:   func() int { return 0 },
		requests:  make(chan request, requestQueue),
		shown:     published{follows: make(map[change.Hash]uint64)},
		edges:     make(map[string]struct{}),
	}
	c.report.PolicyName = l.policy
	c.beats = func() { e.well(l.name) }
	c.chain = &chain{source: e.cfg.Name, channel: l.name, writer: e.cfg.Instance, pub: pub, stored: c.stored}
	return c
}

// equip opens what a channel reads: its source, its index and its spool.
func (e *Exporter) equip(c *channel) error {
	from, err := e.open(c.selection)
	if err != nil {
		return err
	}
	if c.index, c.cp, err = openIndex(e.indexPath(c.name)); err != nil {
		return fmt.Errorf("open the index of channel %s: %w", c.name, onDisk(err))
	}
	if err := c.spool.open(); err != nil {
		c.spool.trouble(err)
	}
	c.source = spooledSource{Source: from, spool: c.spool}
	return nil
}

// enter notes that a channel runs, leave that it does not any more.
func (e *Exporter) enter(c *channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.channels[c.name] == nil {
		c.report.Resets = e.resets[c.name]
	}
	e.channels[c.name] = c
}

func (e *Exporter) leave(r *running) {
	c := r.channel.Load()
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.channels, c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	e.resets[c.name] = c.report.Resets
}

// Status is the exporter's report as of now.
func (e *Exporter) Status() status.Exporter {
	e.mu.Lock()
	role, reason, last, channels, ailing := e.role, e.reason, e.last, maps.Clone(e.channels), maps.Clone(e.ailing)
	e.mu.Unlock()
	s := status.Exporter{
		Format:   status.Format,
		Source:   e.cfg.Name,
		Instance: e.cfg.Instance,
		Version:  e.cfg.Version,
		Tier:     e.cfg.Tier,
		Role:     role,
		Reason:   reason,
		Reported: time.Now(),
		Interval: e.cfg.Heartbeat.Seconds(),
		Refusals: last.refusals,
	}
	for _, name := range slices.Sorted(maps.Keys(last.lines)) {
		report := status.Channel{Name: name, PolicyName: last.lines[name].policy}
		c, ok := channels[name]
		if ok {
			c.mu.Lock()
			report = c.report
			report.Name = name
			report.Edges = len(c.edges)
			c.mu.Unlock()
		}
		report.Spool = e.spool(name).status()
		if err := ailing[name]; err != nil {
			report.Trouble, report.Try = err.Error(), fault.Try(err)
		} else if !ok && report.Spool == nil {
			continue
		}
		s.Channels = append(s.Channels, report)
		s.SourceRevision = max(s.SourceRevision, report.Revision)
	}
	return s
}

// reportTime bounds how long one report may take.
const reportTime = 2 * time.Second

// report stores the status of the active exporter. A standby is quiet: the
// subject belongs to the active one.
func (e *Exporter) report(ctx context.Context, log *jetstream.Log) {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	if err := log.Report(ctx, e.Status()); err != nil {
		e.logger.Debug("the status was not reported", "cause", err.Error())
	}
}
