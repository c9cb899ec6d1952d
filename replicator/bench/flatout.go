package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	flatWriters = 64
	// keysPerWriter are the keys that a writer writes in turn.
	keysPerWriter = 64
	drainLimit    = 5 * time.Minute
)

// flatOut measures how much of a source that is written as fast as it takes
// writes is followed meanwhile, and how long the rest takes afterwards.
func (l *lab) flatOut(ctx context.Context) (*flat, error) {
	out := &flat{mirror: &followed{contender: contender{"make-mirror", l.mirror}}, syncer: &followed{contender: contender{"syncer", l.warm}}}
	for round := range l.flatRounds {
		rate, err := l.writeAlone(ctx)
		if err != nil {
			return nil, err
		}
		out.alone = append(out.alone, rate)
		order := []*followed{out.mirror, out.syncer}
		for i := range order {
			c := order[(round+i)%len(order)]
			if !l.tools.MatchString(c.name) {
				continue
			}
			u, err := l.with(ctx, flatWriters*keysPerWriter, c.tool, c.round(l.writing))
			if err != nil {
				return nil, fmt.Errorf("writers flat out, %s: %w", c.name, err)
			}
			c.usage = c.usage.max(u)
			c.cpu = append(c.cpu, u.cpu().Seconds()*1e6/c.revisions)
			l.say("flat out, %s: %.0f revisions/s written, %s followed, drained in %s",
				c.name, c.written.last(), percent(c.share.last()), seconds(c.drain.last()))
		}
	}
	return out, nil
}

// flat are the results of writing flat out.
type flat struct {
	alone          series // revisions/s that the source takes when nobody follows
	mirror, syncer *followed
}

// followed are the rounds of one contender.
type followed struct {
	contender
	written series // revisions/s at the source
	share   series // of them, applied when the writers stop
	drain   series // seconds
	cpu     series // milliseconds of all its processes for 1,000 revisions
	usage   usage

	revisions float64 // of the newest round
}

func (l *lab) writeAlone(ctx context.Context) (float64, error) {
	b, err := l.newBed(ctx)
	if err != nil {
		return 0, err
	}
	w := writers{values: newValues()}
	source, _ := b.clients()
	err = w.run(ctx, source, l.writing/2)
	if closing := b.close(); err == nil {
		err = closing
	}
	return w.rate(), err
}

func (c *followed) round(writing time.Duration) func(context.Context, *bed) error {
	return func(ctx context.Context, b *bed) error {
		source, target := b.clients()
		w := writers{values: newValues()}
		if err := w.run(ctx, source, writing); err != nil {
			return err
		}
		stopped := time.Now()
		applied, err := w.newestAt(ctx, target)
		if err != nil {
			return err
		}
		key, value := w.newest()
		if err := awaitValue(ctx, target, key, value, drainLimit); err != nil {
			return err
		}
		c.drain = append(c.drain, time.Since(stopped).Seconds())
		c.written, c.revisions = append(c.written, w.rate()), float64(w.last-w.first+1)
		c.share = append(c.share, float64(applied-w.first+1)/float64(w.last-w.first+1))
		return b.equal(ctx)
	}
}

// writers write an etcd flat out and remember at which revision each value
// was written.
type writers struct {
	values      values
	first, last int64 // revisions of the first and the last write
	took        time.Duration

	mu        sync.Mutex
	revisions [flatWriters][]int64 // by writer and number
}

func (w *writers) run(ctx context.Context, cli *clientv3.Client, writing time.Duration) error {
	began := time.Now()
	var group errgroup.Group
	for i := range flatWriters {
		group.Go(func() error {
			for number := 0; time.Since(began) < writing; number++ {
				resp, err := cli.Put(ctx, flatKey(i, number), w.values.value(i, number))
				if err != nil {
					return fmt.Errorf("write the source: %w", err)
				}
				w.wrote(i, resp.Header.Revision)
			}
			return nil
		})
	}
	err := group.Wait()
	w.took = time.Since(began)
	return err
}

func flatKey(writer, number int) string { return keyOf(writer*keysPerWriter + number%keysPerWriter) }

func (w *writers) wrote(writer int, revision int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revisions[writer] = append(w.revisions[writer], revision)
	w.last = max(w.last, revision)
	if w.first == 0 || revision < w.first {
		w.first = revision
	}
}

func (w *writers) rate() float64 { return float64(w.last-w.first+1) / w.took.Seconds() }

// newestAt is the newest of the revisions that has arrived at a target. Both
// tools apply revisions in order.
func (w *writers) newestAt(ctx context.Context, target *clientv3.Client) (int64, error) {
	resp, err := target.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return 0, fmt.Errorf("read the target: %w", err)
	}
	newest := w.first - 1
	for _, kv := range resp.Kvs {
		if kv.Version == 1 {
			continue // from before the measurement
		}
		writer, number, err := parseValue(kv.Value)
		if err != nil {
			return 0, fmt.Errorf("key %q at the target: %w", kv.Key, err)
		}
		newest = max(newest, w.revisions[writer][number])
	}
	return newest, nil
}

// newest is what was written last.
func (w *writers) newest() (key, value string) {
	for writer, revisions := range w.revisions {
		if n := len(revisions) - 1; n >= 0 && revisions[n] == w.last {
			return flatKey(writer, n), w.values.value(writer, n)
		}
	}
	return "", ""
}
