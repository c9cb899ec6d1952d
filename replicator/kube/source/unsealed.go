package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// TierUnsealed is what an Unsealed source can give: all that etcd can.
const TierUnsealed = "etcd, encrypted values through the API server"

// Unsealed reads an etcd, and what its API server has encrypted there through
// that server: exactly the object that a revision holds. Order, revisions and
// transactions are etcd's. What cannot be had that way is an error and not left
// out. Its methods promise what those of [etcd.Source] do.
type Unsealed struct {
	*etcd.Source

	api *Source

	mu   sync.Mutex
	same bool // the API server is the one on this etcd
}

// Unseal makes an Unsealed source of the same ranges over an etcd's. What is
// encrypted of other resources than Options.Only stays so, and so do ranges that
// are not those of one resource.
func Unseal(under *etcd.Source, cli *client.Client, etcdPrefix string, ranges []change.Range, opts Options, log *slog.Logger) *Unsealed {
	ranges = slices.DeleteFunc(slices.Clone(ranges), func(r change.Range) bool {
		res, ok := resourceOf(object.Root(etcdPrefix), r)
		return !ok || len(opts.Only) > 0 && !slices.Contains(opts.Only, res.Word)
	})
	return &Unsealed{Source: under, api: New(cli, etcdPrefix, ranges, opts, log)}
}

// Watch is that of etcd. [*etcd.Compacted] also tells that the API server does
// not show an encrypted value of the history any more.
func (u *Unsealed) Watch(ctx context.Context, from int64, sink func(etcd.Batch) error) error {
	return u.Source.Watch(ctx, from, func(b etcd.Batch) error {
		for _, r := range b.Revisions {
			if err := u.openEvents(ctx, r); err != nil {
				return err
			}
		}
		return sink(b)
	})
}

func (u *Unsealed) openEvents(ctx context.Context, r etcd.Revision) error {
	items := make([]etcd.Item, len(r.Events))
	for i, e := range r.Events {
		items[i] = etcd.Item{Key: e.Key, Value: e.Value, ModRevision: e.ModRevision}
	}
	if err := u.open(ctx, items, r.Revision); err != nil {
		return err
	}
	for i := range items {
		r.Events[i].Value = items[i].Value
	}
	return nil
}

// Read is that of etcd.
func (u *Unsealed) Read(ctx context.Context, r change.Range) ([]etcd.Item, int64, error) {
	for try := 0; ; try++ {
		items, rev, err := u.Source.Read(ctx, r)
		if err != nil {
			return nil, 0, err
		}
		err = u.open(ctx, items, rev)
		if errors.As(err, new(*etcd.Compacted)) && try < restarts {
			continue
		}
		return items, rev, err
	}
}

// Scan is that of etcd.
func (u *Unsealed) Scan(ctx context.Context, r change.Range, fn func([]etcd.Item) error) (first, last int64, err error) {
	moved := false
	first, last, err = u.Source.Scan(ctx, r, func(items []etcd.Item) error {
		items, newer, err := u.openNewest(ctx, items)
		moved = moved || newer
		if err != nil || len(items) == 0 {
			return err
		}
		return fn(items)
	})
	if err == nil && moved {
		last, err = u.Current(ctx)
	}
	return first, last, err
}

// ScanAt is that of etcd.
func (u *Unsealed) ScanAt(ctx context.Context, r change.Range, rev int64, fn func([]etcd.Item) error) error {
	return u.Source.ScanAt(ctx, r, rev, func(items []etcd.Item) error {
		if err := u.open(ctx, items, rev); err != nil {
			return err
		}
		return fn(items)
	})
}

// Fetch is that of etcd.
func (u *Unsealed) Fetch(ctx context.Context, keys [][]byte, fn func(found []etcd.Item, missing [][]byte, rev int64) error) error {
	return u.Source.Fetch(ctx, keys, func(found []etcd.Item, missing [][]byte, rev int64) error {
		if err := u.open(ctx, found, rev); err != nil {
			return err
		}
		return fn(found, missing, rev)
	})
}

// open reads the encrypted values among items through the API server, as they
// are at a revision.
func (u *Unsealed) open(ctx context.Context, items []etcd.Item, revision int64) error {
	return u.each(ctx, items, func(ctx context.Context, it *etcd.Item) error {
		now, err := u.api.object(ctx, it.Key)
		if err == nil && (now == nil || now.ModRevision != it.ModRevision) {
			now, err = u.api.objectAt(ctx, it.Key, revision)
		}
		if err != nil {
			return err
		}
		if now == nil || now.ModRevision != it.ModRevision {
			return fault.New(fault.General, "check that source.kubernetes is the API server on source.etcd",
				"the API server does not show what etcd holds encrypted of %q at revision %d", it.Key, it.ModRevision)
		}
		it.Value = now.Value
		return nil
	})
}

// openNewest is open for a read that may be of several revisions: an object that
// changed meanwhile is shown as it is now, and one that is gone is left out.
// newer says that this happened.
func (u *Unsealed) openNewest(ctx context.Context, items []etcd.Item) (_ []etcd.Item, newer bool, err error) {
	var moved atomic.Bool
	err = u.each(ctx, items, func(ctx context.Context, it *etcd.Item) error {
		now, err := u.api.object(ctx, it.Key)
		if err != nil {
			return err
		}
		if now == nil {
			now = &etcd.Item{}
		}
		if now.ModRevision != it.ModRevision {
			moved.Store(true)
		}
		*it = *now
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	items = slices.DeleteFunc(items, func(it etcd.Item) bool { return it.ModRevision == 0 })
	return items, moved.Load(), nil
}

// each calls fn for the encrypted values among items that it may read, beside
// each other.
func (u *Unsealed) each(ctx context.Context, items []etcd.Item, fn func(context.Context, *etcd.Item) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(fetchWorkers)
	for i := range items {
		it := &items[i]
		if !object.Encrypted(it.Value) || !u.reads(it.Key) {
			continue
		}
		if err := u.sameCluster(ctx); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error { return fn(inner, it) })
	}
	return group.Wait()
}

// reads reports whether a key is one of the resources that are read through the
// API server.
func (u *Unsealed) reads(key []byte) bool {
	_, _, err := u.api.named(key)
	return err == nil
}

// sameCluster looks once whether the API server is the one on this etcd: the
// cluster's oldest namespace has the same uid on both ways. An etcd that does not
// let us read that leaves it to the revisions of each object.
func (u *Unsealed) sameCluster(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.same {
		return nil
	}
	err := u.compare(ctx)
	u.same = err == nil
	return err
}

func (u *Unsealed) compare(ctx context.Context) error {
	k := object.Key{Resource: "namespaces", Name: systemNamespace}
	h, err := u.api.head(ctx)
	if err != nil {
		return err
	}
	err = u.Source.Fetch(ctx, [][]byte{k.StorageKey(u.api.root)}, func(found []etcd.Item, _ [][]byte, _ int64) error {
		if len(found) > 0 && object.Encrypted(found[0].Value) {
			return nil
		}
		uid := ""
		if len(found) > 0 {
			o, err := object.Decode(k, found[0].Value)
			if err != nil {
				return fmt.Errorf("read the namespace %s in etcd: %w", systemNamespace, err)
			}
			metadata, _ := o.Fields()["metadata"].(map[string]any)
			uid, _ = metadata["uid"].(string)
		}
		if uid != h.uid {
			return fault.New(fault.Usage, "name the API server on this etcd in source.kubernetes, and its --etcd-prefix in source.kubernetesPrefix",
				"the API server at %s is of another cluster than the etcd: its namespace %s has the uid %q, and in etcd %q", u.api.cli.Host, systemNamespace, h.uid, uid)
		}
		return nil
	})
	if errors.Is(err, rpctypes.ErrPermissionDenied) {
		return nil
	}
	return err
}

// objectAt reads an object as it was at a revision; nil when it did not exist.
func (s *Source) objectAt(ctx context.Context, key []byte, rev int64) (*etcd.Item, error) {
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
		l, err := s.cli.Objects.Resource(p.at.Resource).Namespace(k.Namespace).List(ctx, metav1.ListOptions{
			FieldSelector:   "metadata.name=" + k.Name,
			ResourceVersion: strconv.FormatInt(rev, 10), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		})
		if err != nil || len(l.Items) == 0 {
			return err
		}
		it, err := p.item(&l.Items[0])
		out = &it
		return err
	})
	if expired(err) {
		return nil, &etcd.Compacted{Revision: rev, CompactRevision: rev + 1}
	}
	if err != nil {
		return nil, s.explain(err, res.reading(), "read %s at revision %d", k, rev)
	}
	return out, nil
}
