package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

const (
	// progressEvery is how often the progress of an idle source is spooled: often
	// enough for a source that compacts every few minutes, seldom enough to fill
	// no spool in a year.
	progressEvery = 10 * time.Second
	// patientAppend bounds how long the end of a spooler waits for the disk.
	patientAppend = 2 * time.Second
	// spoolPause is the wait before the source is tried again.
	spoolPause = time.Second
)

var (
	// errNoCheckpoint: there is no index that spooled history could go on from.
	errNoCheckpoint = errors.New("the channel has no complete index of this policy")
	// errLeft: the history behind the checkpoint is lost already.
	errLeft = errors.New("spooling was given up behind this checkpoint")
	// errBroke: the connection to the source broke, so it may be another one.
	errBroke = errors.New("the connection to the source broke")
)

// spooler follows the source for one channel while no term runs, and spools
// what it sees.
type spooler struct {
	name      string
	selection *filter.Selection
	source    Source                 // nil until it is opened
	open      func() (Source, error) // opens it
	index     string                 // path
	spool     *spool
	logger    *slog.Logger
	progress  time.Duration // how often an idle source's progress is spooled

	cp       checkpoint
	breaks   int64               // of the watch, when the history was last looked at
	doubtful map[string]struct{} // keys that an event up to doubtAt has to touch
	doubtAt  int64

	mu       sync.Mutex // of the watch and the ticker, which both append
	resolved int64      // everything at or below it is spooled, or was not selected
}

// run spools until ctx is done, or until it is clear that the history behind
// the checkpoint cannot be had.
func (s *spooler) run(ctx context.Context) {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			s.finish()
			return
		}
		switch {
		case errors.Is(err, errLeft):
			return
		case errors.Is(err, errNoCheckpoint):
			s.spool.trouble(err)
			return
		case s.hopeless(err):
			if err := s.spool.leave(s.cp, err); err != nil {
				s.spool.trouble(err)
			}
			return
		case !errors.Is(err, errBroke):
			s.spool.trouble(err)
		}
		select {
		case <-time.After(spoolPause):
		case <-ctx.Done():
			return
		}
	}
}

// hopeless reports whether a history that ends with err has a hole.
func (s *spooler) hopeless(err error) bool {
	var compacted *source.Compacted
	var behind *source.Behind
	var back *source.WentBack
	return errors.Is(err, errFull) || errors.As(err, &compacted) || errors.As(err, &behind) || errors.As(err, &back)
}

// follow watches the source behind what is spooled.
func (s *spooler) follow(ctx context.Context) error {
	if err := s.spool.open(); err != nil {
		return err
	}
	if s.source == nil {
		from, err := s.open()
		if err != nil {
			return err
		}
		s.source = from
	}
	s.breaks = s.source.Breaks()
	if err := s.verify(ctx); err != nil {
		return err
	}
	s.resolved = max(s.cp.Revision, s.spool.last())
	from := s.resolved + 1
	s.logger.Info("spooling the source's history", "channel", s.name, "revision", s.resolved)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.source.Watch(ctx, from, func(b source.Batch) error { return s.take(ctx, b) })
	})
	group.Go(func() error {
		ticker := time.NewTicker(s.progress)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := s.note(ctx); err != nil {
				return err
			}
		}
	})
	return group.Wait()
}

// verify looks whether the source is the one that the checkpoint and the spool
// tell of.
func (s *spooler) verify(ctx context.Context) (err error) {
	x, cp, err := openIndex(s.index)
	if err != nil {
		return fmt.Errorf("open the index: %w", err)
	}
	defer func() { err = errors.Join(err, x.close()) }()
	switch s.cp = cp; {
	case !cp.Complete || cp.Policy != s.selection.Digest():
		return errNoCheckpoint
	case s.spool.isLeft(cp):
		return errLeft
	}
	current, err := s.source.Current(ctx)
	if err != nil {
		return fmt.Errorf("read the source's revision: %w", err)
	}
	if current < cp.Revision {
		return &source.WentBack{Revision: current, Was: cp.Revision, Why: "its revision went back"}
	}
	c := &channel{name: s.name, selection: s.selection, source: s.source, logger: s.logger, index: x, cp: cp, spool: s.spool, newest: current}
	if err := c.believe(ctx); err != nil {
		return err
	}
	s.doubtAt, s.doubtful = c.doubt.revision, make(map[string]struct{}, len(c.doubt.keys))
	for _, key := range c.doubt.keys {
		s.doubtful[string(key)] = struct{}{}
	}
	return nil
}

// take spools what is selected of a batch.
func (s *spooler) take(ctx context.Context, b source.Batch) error {
	if s.source.Breaks() != s.breaks {
		return errBroke
	}
	kept := s.filter(b)
	if b.Resolved >= s.doubtAt && len(s.doubtful) > 0 {
		return &source.WentBack{Revision: b.Resolved, Was: s.cp.Revision, Why: fmt.Sprintf("%d keys are gone without a delete", len(s.doubtful))}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(kept.Revisions) > 0 {
		if err := s.spool.append(ctx, s.cp, kept); err != nil {
			return err
		}
	}
	s.resolved = b.Resolved
	return nil
}

// note spools how far the watch has come when nothing was selected of what it
// saw last.
func (s *spooler) note(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resolved <= max(s.cp.Revision, s.spool.last()) {
		return nil
	}
	return s.spool.append(ctx, s.cp, source.Batch{Resolved: s.resolved})
}

// filter keeps the events of selected keys.
func (s *spooler) filter(b source.Batch) source.Batch {
	kept := source.Batch{Resolved: b.Resolved}
	for _, r := range b.Revisions {
		events := make([]source.Event, 0, len(r.Events))
		for _, e := range r.Events {
			if s.selection.Covers(e.Key) {
				delete(s.doubtful, string(e.Key))
				events = append(events, e)
			}
		}
		if len(events) > 0 {
			kept.Revisions = append(kept.Revisions, source.Revision{Revision: r.Revision, Events: events})
		}
	}
	return kept
}

// finish spools the progress that no ticker will.
func (s *spooler) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), patientAppend)
	defer cancel()
	if err := s.note(ctx); err != nil {
		s.spool.trouble(err)
	}
}

// spoolers are those that run between terms, one for each channel.
type spoolers struct {
	cancel context.CancelFunc // nil when none run
	done   sync.WaitGroup
}

// startSpooling has every channel's history spooled, until stopSpooling. It
// does nothing when that is so already.
func (e *Exporter) startSpooling(ctx context.Context) {
	if e.spoolers.cancel != nil {
		return
	}
	ctx, e.spoolers.cancel = context.WithCancel(ctx)
	for name, l := range e.lastLines() {
		s := &spooler{
			name:      name,
			selection: l.selection,
			open:      func() (Source, error) { return e.open(l.selection) },
			index:     e.indexPath(name),
			spool:     e.spool(name),
			logger:    e.logger,
			progress:  progressEvery,
		}
		e.spoolers.done.Go(func() { s.run(ctx) })
	}
}

// stopSpooling waits until nothing is spooled any more.
func (e *Exporter) stopSpooling() {
	if e.spoolers.cancel == nil {
		return
	}
	e.spoolers.cancel()
	e.spoolers.done.Wait()
	e.spoolers.cancel = nil
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.spools {
		s.rest()
	}
}
