package kube

import (
	"context"
	"fmt"
	"strings"

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

// Client reads, applies and deletes objects of any kind.
type Client struct {
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func newClient(config *rest.Config) (*Client, error) {
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	dc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return &Client{dynamic: d, discovery: dc, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc))}, nil
}

func (c *Client) ready(ctx context.Context) error {
	_, err := c.discovery.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// Apply applies an object on the server's side, over whatever others set.
func (c *Client) Apply(ctx context.Context, object map[string]any) error {
	_, err := c.ApplyAs(ctx, manager, object)
	return err
}

// ApplyAs is Apply by another field manager; it gives the object as it is then.
func (c *Client) ApplyAs(ctx context.Context, by string, object map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: object}
	r, err := c.resource(u)
	if err != nil {
		return nil, err
	}
	out, err := r.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: by, Force: true})
	if err != nil {
		return nil, fmt.Errorf("apply %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	if status, has := object["status"]; has && u.GetKind() == "Node" {
		_, err = r.ApplyStatus(ctx, u.GetName(), &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": u.GetName()}, "status": status,
		}}, metav1.ApplyOptions{FieldManager: by, Force: true})
	}
	return out, err
}

func (c *Client) resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("find the resource of %v: %w", gvk, err)
	}
	if mapping.Scope.Name() == "namespace" {
		return c.dynamic.Resource(mapping.Resource).Namespace(u.GetNamespace()), nil
	}
	return c.dynamic.Resource(mapping.Resource), nil
}

// Forget has the next look at resources ask the server again.
func (c *Client) Forget() { c.mapper.Reset() }

// of is a resource by its word, as policies name it, in the preferred version.
func (c *Client) of(word, namespace string) (dynamic.ResourceInterface, error) {
	plural, group, _ := strings.Cut(word, ".")
	gvr, err := c.mapper.ResourceFor(schema.GroupVersionResource{Group: group, Resource: plural})
	if err != nil {
		return nil, fmt.Errorf("find the resource %s: %w", word, err)
	}
	if namespace == "" {
		return c.dynamic.Resource(gvr), nil
	}
	return c.dynamic.Resource(gvr).Namespace(namespace), nil
}

// Get reads one object.
func (c *Client) Get(ctx context.Context, word, namespace, name string) (*unstructured.Unstructured, error) {
	r, err := c.of(word, namespace)
	if err != nil {
		return nil, err
	}
	return r.Get(ctx, name, metav1.GetOptions{})
}

// List reads all objects of a resource, in one namespace or, with "", in all.
func (c *Client) List(ctx context.Context, word, namespace string) ([]unstructured.Unstructured, error) {
	r, err := c.of(word, namespace)
	if err != nil {
		return nil, err
	}
	list, err := r.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", word, err)
	}
	return list.Items, nil
}

// Delete deletes one object.
func (c *Client) Delete(ctx context.Context, word, namespace, name string) error {
	r, err := c.of(word, namespace)
	if err != nil {
		return err
	}
	return r.Delete(ctx, name, metav1.DeleteOptions{})
}
