package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// rig is one tool between the etcds of a bed.
type rig interface {
	// prepare does what is done once for an installation and not measured.
	prepare(ctx context.Context) error
	// start starts the processes that the clock is about.
	start(ctx context.Context) error
	// proven waits until the tool itself says that both sides are equal; a
	// tool that cannot say so gives false.
	proven(ctx context.Context) (bool, error)
	// usage is what the processes took so far.
	usage() (usage, error)
	// stop ends every process and removes what they wrote.
	stop() error
}

// children are the processes of a rig, by name.
type children map[string]*testbed.Process

func (c children) stop() error {
	var err error
	for name := range c {
		err = errors.Join(err, c.end(name))
	}
	return err
}

func (c children) end(name string) error {
	p, ok := c[name]
	if !ok {
		return nil
	}
	delete(c, name)
	if _, err := p.Stop(20 * time.Second); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

// following starts a rig on a source of n keys and waits until it follows:
// until it has copied them and a later write has arrived.
func following(ctx context.Context, b *bed, r rig, n int) error {
	source, target := b.clients()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := awaitCount(ctx, target, n, 2*time.Minute); err != nil {
		return err
	}
	if _, err := r.proven(ctx); err != nil {
		return err
	}
	const key, value = prefix + "ready", "yes"
	if _, err := source.Put(ctx, key, value); err != nil {
		return fmt.Errorf("write the source: %w", err)
	}
	return awaitValue(ctx, target, key, value, 2*time.Minute)
}

// with runs fn while a rig follows, on a bed of its own that holds n keys, and
// gives what the processes took for it.
func (l *lab) with(ctx context.Context, n int, tool func(*bed) rig, fn func(context.Context, *bed) error) (u usage, err error) {
	b, err := l.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	source, _ := b.clients()
	if err := newValues().fill(ctx, source, n); err != nil {
		return nil, err
	}
	r := tool(b)
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := following(ctx, b, r, n); err != nil {
		return nil, err
	}
	before, err := r.usage()
	if err != nil {
		return nil, err
	}
	if err := fn(ctx, b); err != nil {
		return nil, err
	}
	after, err := r.usage()
	return after.since(before), err
}
