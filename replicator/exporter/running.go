package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// running is a channel and its goroutine, over all its failures.
type running struct {
	line     line
	channel  atomic.Pointer[channel] // the one that runs or failed last; nil before the first
	members  atomic.Int64            // edges that belong to the channel
	requests chan request            // of edges and operators, never closed
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when the index is closed
}

// start runs a channel of so many edges as part of the term. The caller holds mu.
func (t *term) start(l line, members int) {
	ctx, cancel := context.WithCancelCause(t.life)
	r := &running{line: l, requests: make(chan request, requestQueue), cancel: cancel, done: make(chan struct{})}
	r.members.Store(int64(members))
	t.running[l.name] = r
	t.group.Go(func() error {
		defer close(r.done)
		defer cancel(nil)
		defer t.leave(r)
		return t.keepGoing(ctx, r)
	})
}

// keepGoing runs a channel until nobody wants it any more or the term ends. A
// channel that fails is tried again, and the others go on: one that may not be
// read, or whose file is broken, is no reason for the edges of the others to
// wait. The term goes on even when every channel fails: an exporter whose source
// is away still says so, and feeds edges with what the hub holds. What ends it
// is that the publisher failed, or that this program is too old.
func (t *term) keepGoing(ctx context.Context, r *running) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for {
		began := time.Now()
		err := t.run(ctx, r)
		switch {
		case errors.Is(context.Cause(ctx), errRetired):
			t.well(r.line.name)
			return nil
		case ctx.Err() != nil || t.concernsAll(ctx, err):
			return err
		}
		t.ails(r.line.name, err)
		t.logger.Warn("a channel failed and is tried again", "channel", r.line.name, "cause", err.Error(), "try", fault.Try(err))
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		t.bide(ctx, r, pause)
	}
}

// run runs a channel once.
func (t *term) run(ctx context.Context, r *running) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := t.newChannel(r.line, t.log, t.pub)
	c.requests, c.members = r.requests, func() int { return int(r.members.Load()) }
	c.succeed(r.channel.Load())
	r.channel.Store(c)
	t.enter(c)
	if err := t.unowned(); err != nil {
		return err
	}
	if err := t.equip(c); err != nil {
		return err
	}
	return errors.Join(c.run(ctx), c.index.close())
}

// concernsAll reports whether the term has to end because a channel failed. When
// it has not, everything of the channel that was published is on the stream,
// where the channel finds its place when it begins anew.
func (t *term) concernsAll(ctx context.Context, err error) bool {
	var format *change.FormatError
	return errors.As(err, &format) || t.pub.Flush(ctx) != nil
}

// retire ends a channel. When it returns nothing of it is under way to the hub.
// The caller holds mu.
func (t *term) retire(ctx context.Context, r *running) error {
	name := r.line.name
	t.logger.Info("a channel ends", "channel", name)
	r.cancel(errRetired)
	<-r.done
	delete(t.running, name)
	if err := t.pub.Flush(ctx); err != nil {
		return fmt.Errorf("end channel %s: %w", name, err)
	}
	return t.spool(name).close()
}

// ails notes why a channel fails.
func (e *Exporter) ails(name string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ailing[name] = err
}

// trouble is why a channel fails, or nil.
func (e *Exporter) trouble(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ailing[name]
}

// allAil reports whether no channel does what it is for.
func (e *Exporter) allAil() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range e.last.lines {
		if e.ailing[name] == nil {
			return false
		}
	}
	return true
}

// well notes that a channel does what it is for, or is not wanted any more.
func (e *Exporter) well(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.ailing, name)
}
