package kube

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// manager is the field manager of what tests apply.
const manager = "test"

// Client reads, applies and deletes objects of any kind. Resources are named
// as policies name them: "configmaps", "deployments.apps". All methods may be
// called from several goroutines.
type Client struct {
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func newClient(config *rest.Config) (*Client, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	resources, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(resources))
	return &Client{dynamic: objects, discovery: resources, mapper: mapper}, nil
}

func (c *Client) ready(ctx context.Context) error {
	answer, err := c.discovery.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	return nil
}

// Apply applies an object on the server's side, over whatever others set.
func (c *Client) Apply(ctx context.Context, object map[string]any) error {
	_, err := c.ApplyAs(ctx, manager, object)
	return err
}

// ApplyAs is Apply by another field manager; it gives the object as it is then.
func (c *Client) ApplyAs(ctx context.Context, by string, object map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: object}
	r, err := c.in(u.GroupVersionKind(), u.GetNamespace())
	if err != nil {
		return nil, err
	}
	out, err := r.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: by, Force: true})
	if err != nil {
		return nil, fmt.Errorf("apply the %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return out, nil
}

// Current reads the object of that kind and name as it is now.
func (c *Client) Current(ctx context.Context, object map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: object}
	r, err := c.in(u.GroupVersionKind(), u.GetNamespace())
	if err != nil {
		return nil, err
	}
	now, err := r.Get(ctx, u.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get the %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return now, nil
}

// Get reads one object.
func (c *Client) Get(ctx context.Context, word, namespace, name string) (*unstructured.Unstructured, error) {
	r, err := c.of(word, namespace)
	if err != nil {
		return nil, err
	}
	u, err := r.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s/%s/%s: %w", word, namespace, name, err)
	}
	return u, nil
}

// List reads all objects of a resource, in one namespace or, with "", in all.
func (c *Client) List(ctx context.Context, word, namespace string) ([]unstructured.Unstructured, error) {
	r, err := c.of(word, namespace)
	if err != nil {
		return nil, err
	}
	all, err := r.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s in %q: %w", word, namespace, err)
	}
	return all.Items, nil
}

// Delete deletes one object.
func (c *Client) Delete(ctx context.Context, word, namespace, name string) error {
	r, err := c.of(word, namespace)
	if err != nil {
		return err
	}
	if err := r.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete %s/%s/%s: %w", word, namespace, name, err)
	}
	return nil
}

// Forget has the next look at resources ask the server again.
func (c *Client) Forget() { c.mapper.Reset() }

// in is the resource of a kind in a namespace.
func (c *Client) in(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("find the resource of %v: %w", kind, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return c.dynamic.Resource(mapping.Resource), nil
}

// of is a resource by its word, in the version that the server prefers.
func (c *Client) of(word, namespace string) (dynamic.ResourceInterface, error) {
	plural, group, _ := strings.Cut(word, ".")
	gvr, err := c.mapper.ResourceFor(schema.GroupVersionResource{Group: group, Resource: plural})
	if err != nil {
		return nil, fmt.Errorf("find the resource %s: %w", word, err)
	}
	return c.dynamic.Resource(gvr).Namespace(namespace), nil
}
