package kube

import (
	"context"
	"fmt"
	"time"
)

// between two questions. The API server has no event for all that is waited
// for.
const between = 100 * time.Millisecond

// Await asks until the answer is nil. It gives up at the end of the context,
// with the last answer, and when a part of the control plane has ended.
func (p *Plane) Await(ctx context.Context, what string, ask func(context.Context) error) error {
	ticker := time.NewTicker(between)
	defer ticker.Stop()
	for {
		last := ask(ctx)
		if last == nil {
			return nil
		}
		if err := p.ended(); err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; the last answer: %w", what, context.Cause(ctx), last)
		}
	}
}

// ended is an error when a part has ended by itself.
func (p *Plane) ended() error {
	for _, part := range p.parts {
		select {
		case <-part.process.Done():
			return fmt.Errorf("%s has ended with code %d:\n%s", part.name, part.process.ExitCode(), part.output())
		default:
		}
	}
	return nil
}
