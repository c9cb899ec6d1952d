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
	line    line
	channel atomic.Pointer[channel] // nil while there is none
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when the index is closed
}

// start runs a channel as part of the term. The caller holds mu.
func (t *term) start(l line) {
	ctx, cancel := context.WithCancelCause(t.life)
	r := &running{line: l, cancel: cancel, done: make(chan struct{})}
	t.running[l.name] = r
	t.group.Go(func() error {
		defer close(r.done)
		defer cancel(nil)
		return t.keepGoing(ctx, r)
	})
}

// keepGoing runs a channel until nobody wants it any more or the term ends. A
// channel that fails is tried again, and the others go on: one that may not be
// read, or whose file is broken, is no reason for the edges of the others to
// wait. What ends the term is what concerns all: the publisher failed, every
// channel fails, or this program is too old.
func (t *term) keepGoing(ctx context.Context, r *running) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 10*time.Second
	for {
		began := time.Now()
		err := t.run(ctx, r)
		switch {
		case errors.Is(context.Cause(ctx), errRetired):
			t.well(r.line.name)
			return nil
		case ctx.Err() != nil || t.concernsAll(ctx, r.line.name, err):
			return err
		}
		t.logger.Warn("a channel failed and is tried again, the others go on", "channel", r.line.name, "cause", err.Error(), "try", fault.Try(err))
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

// run runs a channel once.
func (t *term) run(ctx context.Context, r *running) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c, err := t.newChannel(r.line, t.log, t.pub)
	if err != nil {
		return err
	}
	r.channel.Store(c)
	t.enter(c)
	err = errors.Join(c.run(ctx), c.index.close())
	r.channel.Store(nil)
	t.leave(c)
	return err
}

// concernsAll notes that a channel failed, and reports whether the term has to
// end for it. When it has not, everything of the channel that was published is
// on the stream, where the channel finds its place when it begins anew.
func (t *term) concernsAll(ctx context.Context, name string, err error) bool {
	var format *change.FormatError
	if errors.As(err, &format) || t.pub.Flush(ctx) != nil {
		return true
	}
	return !t.ails(name, err)
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

// ails notes that a channel failed. It reports whether another one does not.
func (e *Exporter) ails(name string, err error) (others bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ailing[name] = err
	for other := range e.last.lines {
		if e.ailing[other] == nil {
			return true
		}
	}
	return false
}

// well notes that a channel does what it is for, or is not wanted any more.
func (e *Exporter) well(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.ailing, name)
}
