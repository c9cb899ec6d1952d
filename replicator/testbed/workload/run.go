package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// SeedVariable is the environment variable that [Seed] reads.
const SeedVariable = "SYNCER_SEED"

// Seed is the seed to run with: that of the environment, to replay a failure,
// or a random one. It logs which.
func Seed(logf func(format string, args ...any)) (uint64, error) {
	seed := rand.Uint64()
	if text, ok := os.LookupEnv(SeedVariable); ok {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", SeedVariable, err)
		}
		seed = given
	}
	logf("workload: %s=%d", SeedVariable, seed)
	return seed, nil
}

// Load says how a shape is written.
type Load struct {
	Shape Shape
	Seed  uint64
	// Writers run side by side, each with a seed of its own; 0 means 1.
	Writers int
	// Rate is operations per second over all writers; 0 is flat out.
	Rate float64
	// Ops ends the run after so many operations over all writers; 0 runs until
	// the context ends.
	Ops int
}

// Report says what a run did.
type Report struct {
	Kinds        [kinds]int // requests by Kind
	Ops          int        // requests in all
	Keys         int        // operations in those requests
	Bytes        int64      // of keys and values put
	Retries      int        // requests repeated because of an outage
	LastRevision int64      // of the last write that was answered
	Took         time.Duration
}

func (r Report) String() string {
	return fmt.Sprintf("%d requests (%d keys, %d bytes, %d retries) in %s, last revision %d",
		r.Ops, r.Keys, r.Bytes, r.Retries, r.Took.Round(time.Millisecond), r.LastRevision)
}

func (r *Report) add(o Report) {
	for k, n := range o.Kinds {
		r.Kinds[k] += n
	}
	r.Ops += o.Ops
	r.Keys += o.Keys
	r.Bytes += o.Bytes
	r.Retries += o.Retries
	r.LastRevision = max(r.LastRevision, o.LastRevision)
}

// Run writes until the load's operations are done or the context ends; the end
// of the context is not an error. A request that an outage interrupts is sent
// again until it is answered, so it may take effect twice; one that etcd
// rejects ends the run with the error.
func Run(ctx context.Context, client *clientv3.Client, load Load) (Report, error) {
	writers := max(load.Writers, 1)
	start := time.Now()
	pace := newPace(load.Rate, load.Ops)
	var mu sync.Mutex
	var total Report
	group, ctx := errgroup.WithContext(ctx)
	for i := range writers {
		generator, err := NewGenerator(load.Seed+uint64(i), load.Shape)
		if err != nil {
			return Report{}, err
		}
		group.Go(func() error {
			w := writer{client: client, generator: generator, pace: pace}
			err := w.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			total.add(w.report)
			return err
		})
	}
	err := group.Wait()
	total.Took = time.Since(start)
	return total, err
}

// writer sends what one generator makes.
type writer struct {
	client    *clientv3.Client
	generator *Generator
	pace      *pace
	report    Report
}

func (w *writer) run(ctx context.Context) error {
	for w.pace.wait(ctx) {
		op := w.generator.Next()
		if err := w.send(ctx, op); err != nil && ctx.Err() == nil {
			return fmt.Errorf("workload: %s: %w", op.Kind, err)
		}
	}
	return nil
}

// requestTimeout ends a request that a dead link swallowed.
const requestTimeout = 5 * time.Second

func (w *writer) send(ctx context.Context, op Op) error {
	for {
		err := w.try(ctx, op)
		if err == nil || !isOutage(err) || ctx.Err() != nil {
			return err
		}
		w.report.Retries++
		if !pause(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

func (w *writer) try(ctx context.Context, op Op) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := w.client.Txn(ctx).Then(op.Ops...).Commit()
	if err != nil {
		return err
	}
	r := &w.report
	r.Kinds[op.Kind]++
	r.Ops++
	r.Keys += len(op.Ops)
	for _, o := range op.Ops {
		if o.IsPut() {
			r.Bytes += int64(len(o.KeyBytes()) + len(o.ValueBytes()))
		}
	}
	r.LastRevision = max(r.LastRevision, response.Header.Revision)
	return nil
}

// isOutage tells a server that is away from one that says no.
func isOutage(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	default:
		return false
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
