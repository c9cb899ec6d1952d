package hub

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/pairing"
)

// follower keeps the gate at what the registry says.
type follower struct {
	registry *pairing.Registry
	gate     *gate
	log      *slog.Logger
	loaded   chan struct{} // closed when the gate knows every pair
	again    chan struct{} // sent to by keepStore: watch anew; never closed
	first    bool          // loaded is still open
}

func newFollower(registry *pairing.Registry, gate *gate, log *slog.Logger) *follower {
	return &follower{
		registry: registry, gate: gate, log: log,
		loaded: make(chan struct{}), again: make(chan struct{}), first: true,
	}
}

var errAgain = errors.New("the store was opened again")

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) error {
	for {
		err := f.watch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.log.WarnContext(ctx, "watching the registry of pairs again", "error", err)
		if errors.Is(err, errAgain) {
			continue
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// watch follows until the watch breaks or has to be renewed.
func (f *follower) watch(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.again:
			return errAgain
		}
	})
	both.Go(func() error { return f.registry.Follow(ctx, f.apply, f.complete) })
	return both.Wait()
}

func (f *follower) apply(e pairing.Entry) {
	f.gate.Apply(e)
	f.gate.advance(e.Revision)
}

func (f *follower) complete() {
	if f.first {
		f.first = false
		close(f.loaded)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
