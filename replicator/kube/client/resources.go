package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// resources are those that the server has, as far as it was asked. The discovery
// client of client-go would bring every type of Kubernetes into the binary.
type resources struct {
	mu     sync.Mutex
	lists  map[schema.GroupVersion][]metav1.APIResource // nil: the server has no such version
	groups map[string][]schema.GroupVersion             // versions, the preferred one first
	asked  time.Time
}

// resetEvery bounds how often the server is asked again for what it has.
const resetEvery = 2 * time.Second

// forget has the next look ask the server. It reports whether what is known by
// then is newer than what was known before.
func (r *resources) forget(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Sub(r.asked) < resetEvery {
		return false
	}
	r.asked, r.lists, r.groups = at, nil, nil
	return true
}

// Forget has the next look ask the server again: it has other resources now. It
// does so at most every few seconds; a look that finds nothing asks by itself.
func (c *Client) Forget() { c.resources.forget(time.Now()) }

// Mapping is the resource of a kind in exactly that version. meta.IsNoMatchError
// tells that the server has none; what was not there a moment ago is asked for
// again.
func (c *Client) Mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := c.mapping(ctx, kind)
	if meta.IsNoMatchError(err) && c.resources.forget(time.Now()) {
		m, err = c.mapping(ctx, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s: %w", kind, err)
	}
	return m, nil
}

func (c *Client) mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	list, err := c.list(ctx, kind.GroupVersion())
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.Kind == kind.Kind && !strings.Contains(r.Name, "/") {
			return mappingOf(kind.GroupVersion(), r), nil
		}
	}
	return nil, &meta.NoKindMatchError{GroupKind: kind.GroupKind(), SearchedVersions: []string{kind.Version}}
}

func mappingOf(gv schema.GroupVersion, r metav1.APIResource) *meta.RESTMapping {
	m := &meta.RESTMapping{Resource: gv.WithResource(r.Name), GroupVersionKind: gv.WithKind(r.Kind), Scope: meta.RESTScopeRoot}
	if r.Namespaced {
		m.Scope = meta.RESTScopeNamespace
	}
	return m
}

// Resource is a resource by its word, as policies name it, in the version that
// the server prefers: "configmaps", "deployments.apps". Errors are those of
// Mapping.
func (c *Client) Resource(ctx context.Context, word string) (*meta.RESTMapping, error) {
	m, err := c.resource(ctx, word)
	if meta.IsNoMatchError(err) && c.resources.forget(time.Now()) {
		m, err = c.resource(ctx, word)
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource %s: %w", word, err)
	}
	return m, nil
}

func (c *Client) resource(ctx context.Context, word string) (*meta.RESTMapping, error) {
	plural, group, _ := strings.Cut(word, ".")
	versions, err := c.versions(ctx, group)
	if err != nil {
		return nil, err
	}
	for _, gv := range versions {
		list, err := c.list(ctx, gv)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if r.Name == plural {
				return mappingOf(gv, r), nil
			}
		}
	}
	return nil, &meta.NoResourceMatchError{PartialResource: schema.GroupVersionResource{Group: group, Resource: plural}}
}

// Listable are the resources that can be listed and applied to, each in the
// version that the server prefers. A part of them that the server cannot tell of
// is left out: an extension that is down keeps nothing else from being found.
func (c *Client) Listable(ctx context.Context) ([]*meta.RESTMapping, error) {
	var all metav1.APIGroupList
	if err := c.tell(ctx, &all, "apis"); err != nil {
		return nil, err
	}
	var out []*meta.RESTMapping
	for _, group := range append([]metav1.APIGroup{{}}, all.Groups...) {
		versions, err := c.versions(ctx, group.Name)
		if err != nil {
			return nil, err
		}
		found := map[string]bool{}
		for _, gv := range versions {
			list, err := c.list(ctx, gv)
			if err != nil && ctx.Err() != nil {
				return nil, err
			}
			for _, r := range list {
				if slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "patch") && !found[r.Name] {
					found[r.Name] = true
					out = append(out, mappingOf(gv, r))
				}
			}
		}
	}
	return out, nil
}

// core is the group without a name.
var core = schema.GroupVersion{Version: "v1"}

// versions are those of a group, the preferred one first; none when there is no
// such group.
func (c *Client) versions(ctx context.Context, group string) ([]schema.GroupVersion, error) {
	c.resources.mu.Lock()
	known, ok := c.resources.groups[group]
	c.resources.mu.Unlock()
	if ok {
		return known, nil
	}
	out, err := c.askVersions(ctx, group)
	if err != nil {
		return nil, err
	}
	c.resources.mu.Lock()
	defer c.resources.mu.Unlock()
	if c.resources.groups == nil {
		c.resources.groups = make(map[string][]schema.GroupVersion)
	}
	c.resources.groups[group] = out
	return out, nil
}

func (c *Client) askVersions(ctx context.Context, group string) ([]schema.GroupVersion, error) {
	if group == "" {
		return []schema.GroupVersion{core}, nil
	}
	var g metav1.APIGroup
	if err := c.tell(ctx, &g, "apis", group); err != nil {
		return nil, err
	}
	var out []schema.GroupVersion
	for _, v := range append([]metav1.GroupVersionForDiscovery{g.PreferredVersion}, g.Versions...) {
		gv := schema.GroupVersion{Group: group, Version: v.Version}
		if v.Version != "" && !slices.Contains(out, gv) {
			out = append(out, gv)
		}
	}
	return out, nil
}

// list are the resources of a version, none when the server does not have it.
func (c *Client) list(ctx context.Context, gv schema.GroupVersion) ([]metav1.APIResource, error) {
	c.resources.mu.Lock()
	known, ok := c.resources.lists[gv]
	c.resources.mu.Unlock()
	if ok {
		return known, nil
	}
	out, err := c.askList(ctx, gv)
	if err != nil {
		return nil, err
	}
	c.resources.mu.Lock()
	defer c.resources.mu.Unlock()
	if c.resources.lists == nil {
		c.resources.lists = make(map[schema.GroupVersion][]metav1.APIResource)
	}
	c.resources.lists[gv] = out
	return out, nil
}

func (c *Client) askList(ctx context.Context, gv schema.GroupVersion) ([]metav1.APIResource, error) {
	path := []string{"apis", gv.Group, gv.Version}
	if gv.Group == "" {
		path = []string{"api", gv.Version}
	}
	var l metav1.APIResourceList
	if err := c.tell(ctx, &l, path...); err != nil {
		return nil, err
	}
	return l.APIResources, nil
}
