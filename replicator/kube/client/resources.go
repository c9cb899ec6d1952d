package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
)

// resources are those that the server has, as far as it was asked.
type resources struct {
	mapper *restmapper.DeferredDiscoveryRESTMapper

	mu    sync.Mutex
	asked time.Time
}

// resetEvery bounds how often the server is asked for all it has.
const resetEvery = 2 * time.Second

func (r *resources) start(d *discovery.DiscoveryClient) {
	r.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
}

// forget has the next look ask the server. It reports whether what is known by
// then is newer than what was known before.
func (r *resources) forget(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Sub(r.asked) < resetEvery {
		return false
	}
	r.asked = at
	r.mapper.Reset()
	return true
}

// Forget has the next look ask the server again: it has other resources now. It
// does so at most every few seconds; a look that finds nothing asks by itself.
func (c *Client) Forget() { c.resources.forget(time.Now()) }

// Mapping is the resource of a kind in exactly that version. meta.IsNoMatchError
// tells that the server has none; what was not there a moment ago is asked for
// again.
func (c *Client) Mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := c.resources.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) && c.resources.forget(time.Now()) {
		m, err = c.resources.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s: %w", kind, c.Explain(err))
	}
	return m, nil
}

// Resource is a resource by its word, as policies name it, in the version that
// the server prefers: "configmaps", "deployments.apps". Errors are those of
// Mapping.
func (c *Client) Resource(ctx context.Context, word string) (*meta.RESTMapping, error) {
	plural, group, _ := strings.Cut(word, ".")
	any := schema.GroupVersionResource{Group: group, Resource: plural}
	kind, err := c.resources.mapper.KindForWithContext(ctx, any)
	if meta.IsNoMatchError(err) && c.resources.forget(time.Now()) {
		kind, err = c.resources.mapper.KindForWithContext(ctx, any)
	}
	if err == nil && kind.Group != group { // a mapper takes the start of a group, too
		err = &meta.NoResourceMatchError{PartialResource: any}
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource %s: %w", word, c.Explain(err))
	}
	return c.Mapping(ctx, kind)
}

// Listable are the resources that can be listed and applied to, each in the
// version that the server prefers. A part of them that the server cannot tell of
// is left out: an extension that is down keeps nothing else from being found.
func (c *Client) Listable(ctx context.Context) ([]*meta.RESTMapping, error) {
	lists, err := c.discovery.ServerPreferredResourcesWithContext(ctx)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask for the resources: %w", c.Explain(err))
	}
	var out []*meta.RESTMapping
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("ask for the resources: %w", err)
		}
		for _, r := range l.APIResources {
			if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "patch") {
				continue
			}
			m := &meta.RESTMapping{Resource: gv.WithResource(r.Name), GroupVersionKind: gv.WithKind(r.Kind), Scope: meta.RESTScopeRoot}
			if r.Namespaced {
				m.Scope = meta.RESTScopeNamespace
			}
			out = append(out, m)
		}
	}
	return out, nil
}
