package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// lagKeys are the keys that are written in turn.
const lagKeys = 1000

// lagAt measures, at a steady rate of writes, how long after the source has
// answered a put a watch at the target shows it.
func (l *lab) lagAt(ctx context.Context, rate int) (*lags, error) {
	out := &lags{rate: rate, mirror: &lagging{contender: contender{"make-mirror", l.mirror}}, syncer: &lagging{contender: contender{"syncer", l.warm}}}
	for round := range l.lagRounds {
		order := []*lagging{out.mirror, out.syncer}
		for i := range order {
			c := order[(round+i)%len(order)]
			if !l.tools.MatchString(c.name) {
				continue
			}
			_, err := l.with(ctx, lagKeys, c.tool, c.round(rate, l.writing))
			if err != nil {
				return nil, fmt.Errorf("lag at %d writes/s, %s: %w", rate, c.name, err)
			}
			l.say("lag at %d writes/s, %s: p50 %s, p99 %s", rate, c.name, milliseconds(c.p50.last()), milliseconds(c.p99.last()))
		}
	}
	return out, nil
}

// lags are the results at one rate.
type lags struct {
	rate           int
	mirror, syncer *lagging
}

// lagging are the rounds of one contender.
type lagging struct {
	contender
	p50, p99 series // seconds
}

func (c *lagging) round(rate int, writing time.Duration) func(context.Context, *bed) error {
	return func(ctx context.Context, b *bed) error {
		ctx, cancel := context.WithTimeoutCause(ctx, writing+drainLimit, errTooLong)
		defer cancel()
		source, target := b.clients()
		m := newMoments(rate * int(writing.Seconds()))
		watching := make(chan struct{})
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return m.watch(ctx, target, watching) })
		group.Go(func() error {
			select {
			case <-watching:
				return m.write(ctx, source, rate)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err := group.Wait(); err != nil {
			return err
		}
		all := m.lags()
		c.p50, c.p99 = append(c.p50, all.percentile(50)), append(c.p99, all.percentile(99))
		return nil
	}
}

// moments are when each put was answered and when it was seen at the target.
type moments struct {
	values values

	mu             sync.Mutex
	answered, seen []time.Time
	left           int
}

func newMoments(n int) *moments {
	return &moments{values: newValues(), answered: make([]time.Time, n), seen: make([]time.Time, n), left: n}
}

// write starts a put at each tick, whether or not those before it are
// answered: a slow moment does not slow the load down.
func (m *moments) write(ctx context.Context, cli *clientv3.Client, rate int) error {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range m.answered {
		if !pause(ctx, time.Until(began.Add(time.Duration(i)*time.Second/time.Duration(rate)))) {
			break
		}
		group.Go(func() error {
			_, err := cli.Put(ctx, keyOf(i%lagKeys), m.values.value(lagWriter, i))
			at := time.Now()
			m.mu.Lock()
			defer m.mu.Unlock()
			m.answered[i] = at
			return err
		})
	}
	return group.Wait()
}

// lagWriter tells the values of the measurement from those that were there.
const lagWriter = 1

// pause waits unless ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var errWatchEnded = errors.New("the watch at the target ended")

// watch notes when values appear at the target, until all have. A value that
// was written over before it could be applied counts as seen with its
// successor.
func (m *moments) watch(ctx context.Context, cli *clientv3.Client, watching chan<- struct{}) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range cli.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		at := time.Now()
		if resp.Created {
			close(watching)
			continue
		}
		if err := resp.Err(); err != nil {
			return fmt.Errorf("watch the target: %w", err)
		}
		for _, e := range resp.Events {
			if err := m.saw(e.Kv.Value, at); err != nil {
				return err
			}
		}
		if m.left == 0 {
			return nil
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%d of %d values did not appear at the target: %w", m.left, len(m.seen), context.Cause(ctx))
	}
	return errWatchEnded
}

func (m *moments) saw(value []byte, at time.Time) error {
	writer, number, err := parseValue(value)
	if err != nil {
		return fmt.Errorf("watch the target: %w", err)
	}
	if writer != lagWriter {
		return nil
	}
	for n := number; n >= 0 && m.seen[n].IsZero(); n -= lagKeys {
		m.seen[n] = at
		m.left--
	}
	return nil
}

func (m *moments) lags() series {
	out := make(series, len(m.seen))
	for i := range m.seen {
		out[i] = m.seen[i].Sub(m.answered[i]).Seconds()
	}
	return out
}
