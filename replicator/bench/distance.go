package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// roundTrip is the distance between the cloud and the edge.
const roundTrip = 100 * time.Millisecond

const distanceWriters = 16

// distance measures how long a burst of revisions takes over a long link.
func (l *lab) distance(ctx context.Context) (*far, error) {
	out := &far{revisions: l.revisions, all: []*travelled{
		{contender: contender{"make-mirror in the cloud, writing over the link", l.mirrorInCloud}},
		{contender: contender{"make-mirror at the edge, watching over the link", l.mirrorAtEdge}},
		{contender: contender{"syncer, the importer at the edge", l.warmFar}},
	}}
	for round := range l.farRounds {
		for i := range out.all {
			c := out.all[(round+i)%len(out.all)]
			slow := c == out.all[0]
			if !l.tools.MatchString(c.name) || slow && !l.again(round) {
				continue
			}
			if _, err := l.with(ctx, 1, c.tool, c.round(l.revisions)); err != nil {
				return nil, fmt.Errorf("%d revisions over a distance, %s: %w", l.revisions, c.name, err)
			}
			l.say("%d revisions over %v, %s: %s", l.revisions, roundTrip, c.name, seconds(c.took.last()))
		}
	}
	return out, nil
}

// far are the results over a distance.
type far struct {
	revisions int
	all       []*travelled
}

// travelled are the rounds of one contender.
type travelled struct {
	contender
	took series // seconds from the first write to the last at the target
}

func (l *lab) mirrorInCloud(b *bed) rig {
	return &distant{mirror: &mirror{lab: l, bed: b, running: children{}}, link: func(m *mirror, p *testbed.Proxy) { m.targetLink = p }, to: b.target.Address()}
}

func (l *lab) mirrorAtEdge(b *bed) rig {
	return &distant{mirror: &mirror{lab: l, bed: b, running: children{}}, link: func(m *mirror, p *testbed.Proxy) { m.sourceLink = p }, to: b.source.Address()}
}

func (l *lab) warmFar(b *bed) rig {
	return &installation{lab: l, bed: b, running: children{}, linked: true, rtt: roundTrip}
}

// distant is a make-mirror with a link on one side.
type distant struct {
	*mirror
	link func(*mirror, *testbed.Proxy)
	to   string
}

func (d *distant) prepare(ctx context.Context) error {
	p, err := testbed.StartProxy(d.to)
	if err != nil {
		return err
	}
	p.Delay(roundTrip)
	d.link(d.mirror, p)
	return d.mirror.prepare(ctx)
}

func (c *travelled) round(revisions int) func(context.Context, *bed) error {
	return func(ctx context.Context, b *bed) error {
		source, target := b.clients()
		began := time.Now()
		key, value, err := burst(ctx, source, revisions)
		if err != nil {
			return err
		}
		if err := awaitValue(ctx, target, key, value, drainLimit); err != nil {
			return err
		}
		c.took = append(c.took, time.Since(began).Seconds())
		return b.equal(ctx)
	}
}

// burst writes n keys, one a revision, and says which came last.
func burst(ctx context.Context, cli *clientv3.Client, n int) (key, value string, err error) {
	v := newValues()
	revisions := make([]int64, n)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range distanceWriters {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				resp, err := cli.Put(ctx, keyOf(i), v.value(lagWriter, i))
				if err != nil {
					return fmt.Errorf("write the source: %w", err)
				}
				revisions[i] = resp.Header.Revision
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return "", "", err
	}
	last := 0
	for i, r := range revisions {
		if r > revisions[last] {
			last = i
		}
	}
	if revisions[last] == 0 {
		return "", "", errors.New("nothing was written")
	}
	return keyOf(last), v.value(lagWriter, last), nil
}
