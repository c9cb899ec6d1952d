package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// copyLimit is how long a first copy may take.
const copyLimit = 10 * time.Minute

// contender is one way to do the work of a measurement.
type contender struct {
	name string
	tool func(*bed) rig
}

// firstCopy measures how long it takes until an empty target equals a source
// of n keys: from the start of the processes to the last key.
func (l *lab) firstCopy(ctx context.Context, n int) (_ *copies, err error) {
	mirror := &copied{contender: contender{"make-mirror", l.mirror}}
	warm := &copied{contender: contender{"syncer, an edge joins", l.warm}}
	cold := &copied{contender: contender{"syncer, everything cold", l.cold}}
	contenders := []*copied{mirror, warm, cold}
	b, err := l.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	source, _ := b.clients()
	if err := newValues().fill(ctx, source, n); err != nil {
		return nil, err
	}
	for round := range l.copyRounds {
		for i := range contenders {
			c := contenders[(round+i)%len(contenders)]
			slow := c == mirror && n >= manyKeys
			if !l.tools.MatchString(c.name) || slow && !l.again(round) {
				continue
			}
			if err := b.target.Wipe(ctx); err != nil {
				return nil, err
			}
			if err := c.round(ctx, b, n); err != nil {
				return nil, fmt.Errorf("first copy of %d keys, %s: %w", n, c.name, err)
			}
			l.say("first copy of %d keys, %s: %s", n, c.name, seconds(c.took.last()))
		}
	}
	return &copies{keys: n, mirror: mirror, warm: warm, cold: cold}, nil
}

// manyKeys is from where on make-mirror takes minutes for a copy.
const manyKeys = 50_000

// again says whether a tool that takes minutes takes part in a round: in the
// first, and in all when their number was asked for.
func (l *lab) again(round int) bool { return round == 0 || l.rounds > 0 }

// copies are the results for one number of keys.
type copies struct {
	keys               int
	mirror, warm, cold *copied
}

// copied are the rounds of one contender.
type copied struct {
	contender
	took, proof series // seconds
	usage       usage
	cpu         series // seconds of all its processes
}

func (c *copied) round(ctx context.Context, b *bed, n int) (err error) {
	r := c.tool(b)
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	before, err := r.usage()
	if err != nil {
		return err
	}
	_, target := b.clients()
	began := time.Now()
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := awaitCount(ctx, target, n, copyLimit); err != nil {
		return err
	}
	took := time.Since(began)
	says, err := r.proven(ctx)
	if err != nil {
		return err
	}
	if says {
		c.proof = append(c.proof, time.Since(began).Seconds())
	}
	after, err := r.usage()
	if err != nil {
		return err
	}
	c.took = append(c.took, took.Seconds())
	c.usage = c.usage.max(after)
	c.cpu = append(c.cpu, after.since(before).cpu().Seconds())
	return b.equal(ctx)
}
