package source

import (
	"context"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/filter/object"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

const (
	fetchKeys    = 120 // of one call of fn
	fetchWorkers = 8
)

// Fetch reads keys by name and calls fn once for every 120: with the items found
// and the keys that do not exist, both in the order of keys, as they were at
// some revision up to rev. The error of fn is returned as it is.
func (s *Source) Fetch(ctx context.Context, keys [][]byte, fn func(found []etcd.Item, missing [][]byte, rev int64) error) error {
	if s.wrong != nil {
		return s.wrong
	}
	for len(keys) > 0 {
		batch := keys[:min(fetchKeys, len(keys))]
		keys = keys[len(batch):]
		items, err := s.get(ctx, batch)
		if err != nil {
			return err
		}
		h, err := s.head(ctx)
		if err != nil {
			return err
		}
		var found []etcd.Item
		var missing [][]byte
		for i, it := range items {
			if it == nil {
				missing = append(missing, batch[i])
			} else {
				found = append(found, *it)
			}
		}
		if err := fn(found, missing, h.revision); err != nil {
			return err
		}
	}
	return nil
}

// get reads objects beside each other; nil stands for one that does not exist.
func (s *Source) get(ctx context.Context, keys [][]byte) ([]*etcd.Item, error) {
	items := make([]*etcd.Item, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fetchWorkers)
	for i, key := range keys {
		group.Go(func() (err error) {
			items[i], err = s.object(ctx, key)
			return err
		})
	}
	return items, group.Wait()
}

// object reads the newest of one object; nil when it does not exist.
func (s *Source) object(ctx context.Context, key []byte) (*etcd.Item, error) {
	k, res, err := s.named(key)
	if err != nil {
		return nil, err
	}
	var out *etcd.Item
	err = s.retry(ctx, func(ctx context.Context) error {
		p, err := s.locate(ctx, res)
		if err != nil {
			return err
		}
		u, err := s.cli.Objects.Resource(p.at.Resource).Namespace(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		it, err := p.item(u)
		out = &it
		return err
	})
	if err == errAbsent || apierrors.IsNotFound(err) { //nolint:errorlint // it comes from locate itself
		return nil, nil //nolint:nilnil // what does not exist is no error
	}
	if err != nil {
		return nil, s.explain(err, res.reading(), "get %s", k)
	}
	return out, nil
}

// named is the object of a key, and its resource.
func (s *Source) named(key []byte) (object.Key, *resource, error) {
	k, err := object.ParseKey(s.root, key)
	if err != nil {
		return k, nil, err
	}
	for _, res := range s.resources {
		if res.Word == k.Word() {
			return k, res, nil
		}
	}
	return k, nil, errNothing
}
