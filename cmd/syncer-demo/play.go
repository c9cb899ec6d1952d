package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// patience bounds every wait of the demo.
const patience = 30 * time.Second

// play is the story that the demo tells.
func play(ctx context.Context, s *stage, v *view, o options) error {
	if err := fill(ctx, s.cloud.Client(), o.keys); err != nil {
		return err
	}
	began := time.Now()
	v.say("the cloud's etcd holds %d keys under /flags/, the edge's etcd is empty", o.keys)
	if err := await(ctx, s, v, "first copy", inSync(s)); err != nil {
		return err
	}
	v.say("first copy complete and verified after %v", time.Since(began).Round(time.Millisecond))

	if err := live(ctx, s, v, o, "live changes", 3*time.Second); err != nil {
		return err
	}
	if err := await(ctx, s, v, "live changes", inSync(s)); err != nil {
		return err
	}
	if err := cut(ctx, s, v, o); err != nil {
		return err
	}
	return prove(ctx, s, v)
}

// cut takes the link away, lets changes pile up, and gives it back.
func cut(ctx context.Context, s *stage, v *view, o options) error {
	s.link.Refuse()
	v.say("the link is cut for %v; the cloud goes on changing", o.outage)
	if err := live(ctx, s, v, o, "link is down", o.outage); err != nil {
		return err
	}
	s.link.Pass()
	began := time.Now()
	v.say("the link is back")
	if err := await(ctx, s, v, "catching up", inSync(s)); err != nil {
		return err
	}
	v.say("caught up %v after the link came back", time.Since(began).Round(10*time.Millisecond))
	return nil
}

// fill writes the first keys, 100 in a transaction.
func fill(ctx context.Context, cli *clientv3.Client, keys int) error {
	for i := 0; i < keys; {
		var ops []clientv3.Op
		for ; i < keys && len(ops) < 100; i++ {
			ops = append(ops, clientv3.OpPut(key(i), fmt.Sprintf(`{"flag":%d,"on":false}`, i)))
		}
		if _, err := cli.Txn(ctx).Then(ops...).Commit(); err != nil {
			return fmt.Errorf("fill the cloud's etcd: %w", err)
		}
	}
	_, err := cli.Put(ctx, "/flags/private/token", "stays in the cloud")
	if err != nil {
		return fmt.Errorf("fill the cloud's etcd: %w", err)
	}
	return nil
}

func key(i int) string { return fmt.Sprintf("/flags/%05d", i) }

// live changes keys at the source for a while: puts, deletes, and
// transactions of several keys.
func live(ctx context.Context, s *stage, v *view, o options, act string, during time.Duration) error {
	end := time.After(during)
	write := time.NewTicker(20 * time.Millisecond)
	defer write.Stop()
	show := time.NewTicker(v.every)
	defer show.Stop()
	for n := 0; ; {
		select {
		case <-write.C:
			if err := touch(ctx, s.cloud.Client(), o.keys, n); err != nil {
				return err
			}
			n++
		case <-show.C:
			v.show(ctx, s, act)
		case <-end:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func touch(ctx context.Context, cli *clientv3.Client, keys, n int) error {
	value := fmt.Sprintf(`{"change":%d,"on":true}`, n)
	ops := []clientv3.Op{clientv3.OpPut(key(rand.IntN(keys)), value)}
	switch n % 5 {
	case 3:
		ops = []clientv3.Op{clientv3.OpDelete(key(rand.IntN(keys)))}
	case 4:
		at := rand.IntN(keys)
		ops = []clientv3.Op{clientv3.OpPut(key(at), value), clientv3.OpPut(key(at)+"/owner", value), clientv3.OpPut("/other/key", value)}
	}
	if _, err := cli.Txn(ctx).Then(ops...).Commit(); err != nil {
		return fmt.Errorf("change the cloud's etcd: %w", err)
	}
	return nil
}

// inSync holds when the edge proved equality at or after the revision that
// the source has now.
func inSync(s *stage) func(context.Context) (bool, error) {
	goal := int64(0)
	return func(ctx context.Context) (bool, error) {
		if goal == 0 {
			resp, err := s.cloud.Client().Get(ctx, "/flags/")
			if err != nil {
				return false, fmt.Errorf("read the cloud's revision: %w", err)
			}
			goal = resp.Header.Revision
		}
		e, _, err := s.report(ctx)
		return e.State == status.InSync && e.VerifiedRevision >= goal, err
	}
}

// await shows the edge's status until a condition holds.
func await(ctx context.Context, s *stage, v *view, act string, until func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		fault.New(fault.Timeout, "run it again with -v to see the logs", "%s took longer than %v", act, patience))
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	show := time.NewTicker(v.every)
	defer show.Stop()
	for {
		select {
		case <-look.C:
			ok, err := until(ctx)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if ok {
				return nil
			}
		case <-show.C:
			v.show(ctx, s, act)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// prove reads both sides itself and compares every key and value.
func prove(ctx context.Context, s *stage, v *view) error {
	want, revision, err := read(ctx, s.cloud.Client(), "/flags/")
	if err != nil {
		return err
	}
	have, _, err := read(ctx, s.edge.Client(), "/edge/flags/")
	if err != nil {
		return err
	}
	var a, b digest.Digest
	differ := 0
	for k, value := range want {
		if change.PrefixRange([]byte("private/")).Contains([]byte(k)) {
			continue
		}
		a.Add(digest.Item([]byte(k), []byte(value)))
		if got, ok := have[k]; !ok || got != value {
			differ++
		}
	}
	for k, value := range have {
		b.Add(digest.Item([]byte(k), []byte(value)))
	}
	if differ > 0 || a != b {
		return fault.New(fault.General, "", "NOT EQUAL: cloud %d keys digest %v, edge %d keys digest %v, %d differ", a.Count, a, b.Count, b, differ)
	}
	if _, ok := have["private/token"]; ok {
		return errors.New("NOT EQUAL: an excluded key crossed")
	}
	v.say("EQUAL: the edge holds exactly the cloud's selection as of revision %d: %d keys, digest %v on both sides", revision, a.Count, a)
	return nil
}

func read(ctx context.Context, cli *clientv3.Client, prefix string) (map[string]string, int64, error) {
	resp, err := cli.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", prefix, err)
	}
	out := make(map[string]string, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		out[string(kv.Key[len(prefix):])] = string(kv.Value)
	}
	return out, resp.Header.Revision, nil
}
