package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Stored is where the server serves a resource: in the version that is given,
// or, with "", in the one in which it stores the objects, or else prefers.
// meta.IsNoMatchError tells that it serves none. The server is asked each time.
func (c *Client) Stored(ctx context.Context, group, plural, version string) (*meta.RESTMapping, error) {
	versions := []schema.GroupVersion{{Group: group, Version: version}}
	if version == "" {
		var err error
		if versions, err = c.askVersions(ctx, group); err != nil {
			return nil, err
		}
	}
	var first *meta.RESTMapping
	for _, gv := range versions {
		m, hash, err := c.served(ctx, gv, plural)
		if err != nil {
			return nil, err
		}
		if m != nil && hash == storageHash(m.GroupVersionKind) {
			return m, nil
		}
		if first == nil {
			first = m
		}
	}
	if first == nil {
		return nil, &meta.NoResourceMatchError{PartialResource: schema.GroupVersionResource{Group: group, Resource: plural}}
	}
	return first, nil
}

// served is a resource in one version; nil when the server does not serve it so.
func (c *Client) served(ctx context.Context, gv schema.GroupVersion, plural string) (_ *meta.RESTMapping, hash string, err error) {
	list, err := c.askList(ctx, gv)
	if err != nil {
		return nil, "", err
	}
	for _, r := range list {
		if r.Name == plural {
			return mappingOf(gv, r), r.StorageVersionHash, nil
		}
	}
	return nil, "", nil
}

// tell reads a document of the server about itself; one that is not there leaves
// into as it is.
func (c *Client) tell(ctx context.Context, into any, path ...string) error {
	raw, err := c.plain.Get().AbsPath(path...).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return fmt.Errorf("ask for the resources in %v: %w", path, c.Explain(err))
	}
	return nil
}

// storageHash is what the server says of a resource whose objects are stored as
// this kind.
func storageHash(k schema.GroupVersionKind) string {
	sum := sha256.Sum256([]byte(k.Group + "/" + k.Version + "/" + k.Kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// Ready is nil when the server says that all of it has started. One that does
// not let us ask counts as ready.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.plain.Get().AbsPath("/readyz").MaxRetries(0).DoRaw(ctx)
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask whether the server is ready: %w", c.Explain(err))
	}
	return nil
}
