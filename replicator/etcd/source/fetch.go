package source

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
)

// Limits of one transaction of gets. A server takes 128 operations.
const (
	fetchKeys  = 120
	fetchBytes = 4 << 20
)

// Fetch reads keys by name, in transactions of up to 120, and calls fn once
// for each: with the items found and the keys that do not exist, both in the
// order of keys, at the revision rev. The error of fn is returned as it is.
func (s *Source) Fetch(ctx context.Context, keys [][]byte, fn func(found []Item, missing [][]byte, rev int64) error) error {
	p := pace{limit: 30, max: fetchKeys, target: fetchBytes}
	for len(keys) > 0 {
		batch := keys[:min(p.limit, len(keys))]
		keys = keys[len(batch):]
		found, missing, rev, err := s.fetch(ctx, batch)
		if err != nil {
			return s.explain(err, fmt.Sprintf("fetching %d keys in", len(batch)),
				change.Range{Lo: batch[0], Hi: batch[len(batch)-1]})
		}
		p.seen(found)
		if err := fn(found, missing, rev); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) fetch(ctx context.Context, keys [][]byte) (found []Item, missing [][]byte, rev int64, err error) {
	gets := make([]clientv3.Op, len(keys))
	for i, k := range keys {
		gets[i] = clientv3.OpGet(string(k))
	}
	var resp *clientv3.TxnResponse
	err = s.retry(ctx, func() error {
		resp, err = s.cli.Txn(ctx).Then(gets...).Commit()
		return err
	})
	if err != nil {
		return nil, nil, 0, err
	}
	for i, r := range resp.Responses {
		if kvs := r.GetResponseRange().GetKvs(); len(kvs) > 0 {
			found = append(found, itemsOf(kvs)...)
		} else {
			missing = append(missing, keys[i])
		}
	}
	return found, missing, resp.Header.Revision, nil
}
