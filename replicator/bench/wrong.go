package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// wrong are the keys at a target that are not what the source has, with what it
// has; "" is a key that should not be there. No value is empty here.
type wrong map[string]string

// wrong compares both sides of a bed below the prefix. The source must be
// quiet.
func (b *bed) wrong(ctx context.Context) (wrong, error) {
	out := wrong{}
	source, target := b.clients()
	end := clientv3.GetPrefixRangeEnd(prefix)
	for from := prefix; from != end; {
		want, err := source.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(5000))
		if err != nil {
			return nil, fmt.Errorf("read the source: %w", err)
		}
		to := end
		if want.More {
			to = string(want.Kvs[len(want.Kvs)-1].Key) + "\x00"
		}
		have, err := target.Get(ctx, from, clientv3.WithRange(to))
		if err != nil {
			return nil, fmt.Errorf("read the target: %w", err)
		}
		out.compare(want.Kvs, have.Kvs)
		from = to
	}
	return out, nil
}

// compare notes what is wrong of a range, given all of both sides.
func (w wrong) compare(want, have []*mvccpb.KeyValue) {
	there := make(map[string]string, len(have))
	for _, kv := range have {
		there[string(kv.Key)] = string(kv.Value)
	}
	for _, kv := range want {
		if there[string(kv.Key)] != string(kv.Value) {
			w[string(kv.Key)] = string(kv.Value)
		}
		delete(there, string(kv.Key))
	}
	for key := range there {
		w[key] = ""
	}
}

// gone is how many of the keys should not be there.
func (w wrong) gone() int {
	n := 0
	for _, value := range w {
		if value == "" {
			n++
		}
	}
	return n
}

// smallest is about how few bytes can carry what is wrong: its keys and values
// in key order, each 256 of them compressed alone.
func (w wrong) smallest() (raw, compressed int, err error) {
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(w)), 256) {
		var all []byte
		for _, key := range keys {
			all = append(append(all, key...), w[key]...)
		}
		small, err := change.Compress(all)
		if err != nil {
			return 0, 0, err
		}
		raw, compressed = raw+len(all), compressed+len(small)
	}
	return raw, compressed, nil
}

// righting follows how a target gets right.
type righting struct {
	want        wrong               // at the beginning
	open        map[string]struct{} // wrong now
	puts        int                 // of open, keys that the source holds
	withDeletes bool                // it ends when deletes have arrived as well
}

func (w wrong) righting(withDeletes bool) *righting {
	r := &righting{want: w, open: make(map[string]struct{}, len(w)), puts: len(w) - w.gone(), withDeletes: withDeletes}
	for key := range w {
		r.open[key] = struct{}{}
	}
	return r
}

// saw takes a change at the target. Keys that were right count at the end only.
func (r *righting) saw(key, value string) {
	want, ours := r.want[key]
	_, open := r.open[key]
	if !ours || open == (value != want) {
		return
	}
	step := -1
	if open {
		delete(r.open, key)
	} else {
		r.open[key] = struct{}{}
		step = 1
	}
	if want != "" {
		r.puts += step
	}
}

func (r *righting) done() bool { return r.puts == 0 && (!r.withDeletes || len(r.open) == 0) }

// follow watches the target from a revision on until it is right.
func (r *righting) follow(ctx context.Context, target *clientv3.Client, from int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range target.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(from)) {
		if err := resp.Err(); err != nil {
			return fmt.Errorf("watch the target: %w", err)
		}
		for _, e := range resp.Events {
			r.saw(string(e.Kv.Key), string(e.Kv.Value))
		}
		if r.done() {
			return nil
		}
	}
	return errors.Join(errWatchEnded, context.Cause(ctx))
}
