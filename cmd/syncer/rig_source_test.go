package main_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// fill puts keys into the selection.
func (r *rig) fill(keys, size int) {
	r.t.Helper()
	value := fmt.Sprintf("%0*d", size, 7)
	for first := 0; first < keys; first += 100 {
		var ops []clientv3.Op
		for i := first; i < min(first+100, keys); i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("/apps/filled/%06d", i), fmt.Sprintf("%d %s", i, value)))
		}
		if _, err := r.source.Client().Txn(within(r.t)).Then(ops...).Commit(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// compact throws the source's history away again and again, as far as the
// recorder has it.
func (r *rig) compact(every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				done <- nil
				return
			}
			_, err := r.source.Client().Compact(ctx, r.truth.source.recorder.Last())
			away := grpcstatus.Code(err) == codes.Unavailable // the next one compacts more
			if err != nil && !away && !errors.Is(err, rpctypes.ErrCompacted) && ctx.Err() == nil {
				done <- err
				return
			}
		}
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("compact the source: %v", err)
		}
	}
	r.t.Cleanup(stop)
	return stop
}
