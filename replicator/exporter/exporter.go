package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

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
	Selections []*filter.Selection
	// Ready, which may be nil, says what the hub lacks, before each term: a
	// limit that was lowered would end each term at the first large frame.
	Ready func(ctx context.Context) error
}

// Pairs tells which channel an edge is paired with.
type Pairs interface {
	// Channel is the channel of an edge; ok is false when the edge is not
	// paired, or no longer.
	Channel(ctx context.Context, edge string) (channel string, ok bool, err error)
	// MayReply reports whether a subject is the edge's own.
	MayReply(edge, subject string) bool
}

// Exporter publishes the channels of one source. Make it with New, then Run
// it once.
type Exporter struct {
	cfg    Config
	nc     *nats.Conn
	open   func(*filter.Selection) Source
	pairs  Pairs
	logger *slog.Logger

	spools   map[string]*spool // one for each selection
	spoolers spoolers          // only Run's goroutine starts and stops them
	refusals refusals

	mu       sync.Mutex
	role     string
	reason   string
	channels map[string]*channel // those of the term
	resets   map[string]int64
}

// New makes an exporter. open gives the reader of one selection.
func New(cfg Config, nc *nats.Conn, open func(*filter.Selection) Source, pairs Pairs, logger *slog.Logger) *Exporter {
	e := &Exporter{cfg: cfg, nc: nc, open: open, pairs: pairs, logger: logger, role: "standby", resets: map[string]int64{}}
	e.spools = make(map[string]*spool, len(cfg.Selections))
	for _, s := range cfg.Selections {
		e.spools[s.Name()] = newSpool(filepath.Join(cfg.DataDir, "spool-"+s.Name()+".db"), cfg.SpoolBytes, s.Name(), logger)
	}
	return e
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
		for _, s := range e.spools {
			err = errors.Join(err, s.close())
		}
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

	channels := make(map[string]*channel, len(e.cfg.Selections))
	defer func() {
		for _, c := range channels {
			err = errors.Join(err, c.index.close())
		}
		e.endTerm(channels)
	}()
	for _, s := range e.cfg.Selections {
		c, err := e.newChannel(s, log, pub)
		if err != nil {
			return err
		}
		channels[c.name] = c
	}
	e.beginTerm(channels)
	return e.work(ctx, log, channels)
}

func (e *Exporter) work(ctx context.Context, log *jetstream.Log, channels map[string]*channel) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range channels {
		group.Go(func() error { return c.run(ctx) })
	}
	group.Go(func() error {
		stop, err := jetstream.Serve(e.nc, e.cfg.Name, e.pairs.MayReply, func(edge string, req jetstream.Request) jetstream.Reply {
			return e.answer(ctx, channels, edge, req)
		})
		if err != nil {
			return err
		}
		<-ctx.Done()
		return errors.Join(context.Cause(ctx), stop())
	})
	group.Go(func() error { return e.takeCommands(ctx, channels) })
	group.Go(func() error {
		ticker := time.NewTicker(e.cfg.Heartbeat)
		defer ticker.Stop()
		for {
			e.report(ctx, log)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
	return group.Wait()
}

// standBy returns the stream's last sequence once nobody else writes: when the
// newest message is this exporter's own, or when the stream has stood still
// for longer than any active exporter is silent.
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
	}
	e.logger.Info("the stream stands still, taking over", "sequence", last)
	return last, nil
}

func writerOf(message []byte) string {
	f, err := change.DecodeFrame(message)
	if err != nil {
		return "" // not a frame of ours: somebody else writes
	}
	return f.Writer
}

func (e *Exporter) newChannel(s *filter.Selection, log *jetstream.Log, pub *jetstream.Publisher) (*channel, error) {
	x, cp, err := openIndex(e.indexPath(s))
	if err != nil {
		return nil, fault.New(fault.General, "check that the data directory is writable and has space", "open the index of channel %s: %w", s.Name(), err)
	}
	sp := e.spools[s.Name()]
	if err := sp.open(); err != nil {
		sp.trouble(err)
	}
	c := &channel{
		name:      s.Name(),
		selection: s,
		source:    spooledSource{Source: e.open(s), spool: sp},
		spool:     sp,
		log:       log,
		logger:    e.logger,
		heartbeat: e.cfg.Heartbeat,
		index:     x,
		cp:        cp,
		requests:  make(chan request, requestQueue),
		shown:     published{follows: make(map[change.Hash]uint64)},
	}
	c.chain = &chain{source: e.cfg.Name, channel: s.Name(), writer: e.cfg.Instance, pub: pub, stored: c.stored}
	return c, nil
}

func (e *Exporter) beginTerm(channels map[string]*channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.role, e.reason = "active", ""
	e.channels = channels
	for name, c := range channels {
		c.report.Resets = e.resets[name]
	}
}

func (e *Exporter) endTerm(channels map[string]*channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.channels = nil
	for name, c := range channels {
		c.mu.Lock()
		e.resets[name] = c.report.Resets
		c.mu.Unlock()
	}
}

// answer handles one request of an edge.
func (e *Exporter) answer(ctx context.Context, channels map[string]*channel, edge string, req jetstream.Request) jetstream.Reply {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	name, ok, err := e.pairs.Channel(ctx, edge)
	if err != nil {
		return retryLater("look up the pairing of edge "+edge, err)
	}
	if !ok {
		return refuse(fmt.Sprintf("edge %s is not paired with source %s", edge, e.cfg.Name), "create the pair again: syncer pair create "+edge)
	}
	if req.Channel != name {
		return refuse(fmt.Sprintf("edge %s is paired with channel %s, it asks for %s", edge, name, req.Channel), "join again with a new token")
	}
	c, ok := channels[name]
	if !ok {
		return refuse(fmt.Sprintf("this exporter has no policy %s", name), "add the policy to the exporter's configuration, or pair the edge with another one")
	}
	if req.Attach != nil {
		reply, err := c.attach(ctx, edge, req.Attach)
		if err != nil {
			return retryLater("attach edge "+edge, err)
		}
		return jetstream.Reply{Attach: reply}
	}
	select {
	case c.requests <- request{edge: edge, page: req.Page, ranges: req.Ranges}:
		return jetstream.Reply{}
	default:
		return retryLater("queue the request of edge "+edge, errors.New("too many requests wait"))
	}
}

func refuse(message, try string) jetstream.Reply {
	return jetstream.Reply{Error: &jetstream.ReplyError{Message: message, Try: try}}
}

func retryLater(doing string, err error) jetstream.Reply {
	return jetstream.Reply{Error: &jetstream.ReplyError{Retry: true, Message: doing + ": " + err.Error()}}
}

// Status is the exporter's report as of now.
func (e *Exporter) Status() status.Exporter {
	e.mu.Lock()
	role, reason, channels := e.role, e.reason, maps.Clone(e.channels)
	e.mu.Unlock()
	s := status.Exporter{
		Format:   status.Format,
		Source:   e.cfg.Name,
		Instance: e.cfg.Instance,
		Version:  e.cfg.Version,
		Role:     role,
		Reason:   reason,
		Reported: time.Now(),
		Interval: e.cfg.Heartbeat.Seconds(),
	}
	for _, sel := range e.cfg.Selections {
		report := status.Channel{Name: sel.Name()}
		c, ok := channels[sel.Name()]
		if ok {
			c.mu.Lock()
			report = c.report
			c.mu.Unlock()
		}
		report.Spool = e.spools[sel.Name()].status()
		if !ok && report.Spool == nil {
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
