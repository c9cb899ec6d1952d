package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// fill puts n keys into an etcd, fast.
func (v values) fill(ctx context.Context, cli *clientv3.Client, n int) error {
	const perTxn = 120
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for first := 0; first < n; first += perTxn {
		group.Go(func() error {
			var ops []clientv3.Op
			for i := first; i < min(n, first+perTxn); i++ {
				ops = append(ops, clientv3.OpPut(keyOf(i), v.value(0, i)))
			}
			_, err := cli.Txn(ctx).Then(ops...).Commit()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fill the source with %d keys: %w", n, err)
	}
	return nil
}

// errTooLong tells that something did not happen within its time.
var errTooLong = errors.New("it took too long")

// poll calls fn until it says true. The pauses are short at first and never
// cost the server more than a tenth of its time.
func poll(ctx context.Context, limit time.Duration, fn func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	for {
		began := time.Now()
		done, err := fn()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(max(2*time.Millisecond, 9*time.Since(began)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// awaitCount waits until an etcd holds n keys below the prefix.
func awaitCount(ctx context.Context, cli *clientv3.Client, n int, limit time.Duration) error {
	have := int64(0)
	err := poll(ctx, limit, func() (bool, error) {
		resp, err := cli.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return false, err
		}
		have = resp.Count
		return have >= int64(n), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d keys, %d are there: %w", n, have, err)
	}
	return nil
}

// awaitValue waits until a key has a value.
func awaitValue(ctx context.Context, cli *clientv3.Client, key, value string, limit time.Duration) error {
	err := poll(ctx, limit, func() (bool, error) {
		resp, err := cli.Get(ctx, key)
		return err == nil && len(resp.Kvs) == 1 && string(resp.Kvs[0].Value) == value, err
	})
	if err != nil {
		return fmt.Errorf("wait for key %s: %w", key, err)
	}
	return nil
}

// equal fails unless both hold the same keys and values below the prefix. The
// source must be quiet.
func (b *bed) equal(ctx context.Context) error {
	source, target := b.clients()
	for from := prefix; ; {
		page := []clientv3.OpOption{clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)), clientv3.WithLimit(5000)}
		want, err := source.Get(ctx, from, page...)
		if err != nil {
			return fmt.Errorf("read the source: %w", err)
		}
		have, err := target.Get(ctx, from, page...)
		if err != nil {
			return fmt.Errorf("read the target: %w", err)
		}
		if len(have.Kvs) != len(want.Kvs) || have.More != want.More {
			return fmt.Errorf("the target differs from the source: %d keys from %q on, want %d", have.Count, from, want.Count)
		}
		for i, kv := range want.Kvs {
			if string(kv.Key) != string(have.Kvs[i].Key) || string(kv.Value) != string(have.Kvs[i].Value) {
				return fmt.Errorf("the target differs from the source at key %q", kv.Key)
			}
		}
		if !want.More {
			return nil
		}
		from = string(want.Kvs[len(want.Kvs)-1].Key) + "\x00"
	}
}
