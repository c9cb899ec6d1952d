package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/syncer-io/syncer/filter/object"
)

// Root is the prefix below which a control plane stores objects.
const Root = "/registry"

// Sample is what a control plane stored under one key.
type Sample struct {
	Key         string          `json:"key"`
	ModRevision int64           `json:"modRevision"`
	Value       []byte          `json:"value,omitempty"`
	Deleted     bool            `json:"deleted,omitempty"` // in a history: the key was deleted
	Served      json.RawMessage `json:"served,omitempty"`  // the object at that revision as the API server shows it
}

// Stored is everything that the control plane stores, at one revision each: an
// object is shown as the API server serves just what is stored.
func (p *Plane) Stored(ctx context.Context) ([]Sample, error) {
	resp, err := p.Etcd.Client().Get(ctx, Root+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	var out []Sample
	for _, kv := range resp.Kvs {
		s := Sample{Key: string(kv.Key), ModRevision: kv.ModRevision, Value: kv.Value}
		found, err := p.show(ctx, &s)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, s)
		}
	}
	return out, nil
}

// show adds the object as it is served. Where the object has moved on since it
// was read, it is read again; found is false when it is gone.
func (p *Plane) show(ctx context.Context, s *Sample) (found bool, err error) {
	k, err := object.ParseKey(Root, []byte(s.Key))
	if err != nil {
		return true, nil //nolint:nilerr // bookkeeping of the control plane is no object
	}
	for {
		u, err := p.client.Get(ctx, k.Word(), k.Namespace, k.Name)
		switch {
		case meta.IsNoMatchError(err) || apierrors.IsMethodNotSupported(err):
			return true, nil // a resource that is stored and not served
		case apierrors.IsNotFound(err):
			return false, nil
		case err != nil:
			return false, err
		case u.GetResourceVersion() == strconv.FormatInt(s.ModRevision, 10):
			s.Served, err = json.Marshal(u.Object)
			return true, err
		}
		if found, err := p.reread(ctx, s); !found || err != nil {
			return found, err
		}
	}
}

func (p *Plane) reread(ctx context.Context, s *Sample) (found bool, err error) {
	resp, err := p.Etcd.Client().Get(ctx, s.Key)
	if err != nil {
		return false, fmt.Errorf("read %s again: %w", s.Key, err)
	}
	if len(resp.Kvs) == 0 {
		return false, nil
	}
	s.Value, s.ModRevision = resp.Kvs[0].Value, resp.Kvs[0].ModRevision
	return true, nil
}

// Revision is that of the control plane's etcd now.
func (p *Plane) Revision(ctx context.Context) (int64, error) {
	resp, err := p.Etcd.Client().Get(ctx, Root, clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("read the revision: %w", err)
	}
	return resp.Header.Revision, nil
}

// History is every event after a revision up to now, in the order of etcd, on
// the keys that are wanted.
func (p *Plane) History(ctx context.Context, after int64, wanted func(key string) bool) ([]Sample, error) {
	end, err := p.Etcd.Client().Put(ctx, "/end-of-history", "")
	if err != nil {
		return nil, fmt.Errorf("mark the end of a history: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out []Sample
	for resp := range p.Etcd.Client().Watch(ctx, "/", clientv3.WithPrefix(), clientv3.WithRev(after+1)) {
		if err := resp.Err(); err != nil {
			return nil, fmt.Errorf("watch the history after %d: %w", after, err)
		}
		for _, e := range resp.Events {
			if e.Kv.ModRevision == end.Header.Revision {
				return out, nil
			}
			if key := string(e.Kv.Key); wanted(key) {
				out = append(out, Sample{Key: key, ModRevision: e.Kv.ModRevision, Value: e.Kv.Value, Deleted: e.Type == clientv3.EventTypeDelete})
			}
		}
	}
	return nil, fmt.Errorf("watch the history after %d: %w", after, context.Cause(ctx))
}
