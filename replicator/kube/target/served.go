package target

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

var definitionsResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// absent reports whether the server says that an object is not there.
func absent(err error) bool { return apierrors.IsNotFound(err) && !unserved(err) }

// unserved reports whether the server does not know the resource, at least not in
// that version. It says so with the same code, and in no words of Kubernetes.
func unserved(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// elsewhere is the resource of a head in a version that the server serves now, after
// it did not know the one that the objects were applied in: an upgrade of what
// defines it may end a version, and keeps the objects. nil when there is none:
// they are gone with their resource.
func (t *Target) elsewhere(ctx context.Context, h head) (*head, error) {
	t.client.Forget()
	m, err := t.client.Resource(ctx, wordOf(h))
	if meta.IsNoMatchError(err) {
		return nil, t.undefined(ctx, h)
	}
	if err != nil {
		return nil, err
	}
	if m.Resource.Version == h.Version {
		return nil, &withheld{wordOf(h)}
	}
	h.Version = m.Resource.Version
	return &h, nil
}

// withheld says that a resource is defined at the edge and not served.
type withheld struct{ word string }

func (w *withheld) Error() string {
	return fmt.Sprintf("%s are defined at the edge, and its API server does not serve them", w.word)
}

func (w *withheld) refusal(key []byte) target.Refused {
	return target.Refused{Key: key, Why: status.Waiting, Err: fault.New(fault.Check, "see why at the edge: kubectl describe crd "+w.word, "%w", w)}
}

// undefined fails when a resource is defined and not served: by one of several API
// servers that has not heard of it yet, or because its definition is not accepted.
func (t *Target) undefined(ctx context.Context, h head) error {
	if h.Group == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	_, err := t.client.Metadata.Resource(definitionsResource).Get(ctx, wordOf(h), metav1.GetOptions{})
	switch {
	case err == nil:
		return &withheld{wordOf(h)}
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	}
	return t.client.Explain(err)
}

// getElsewhere is get of an object in another version, if there is one.
func (t *Target) getElsewhere(ctx context.Context, h head, n name) (*unstructured.Unstructured, error) {
	served, err := t.elsewhere(ctx, h)
	if served == nil || err != nil {
		return nil, err
	}
	return get(ctx, t.resource(*served, n.namespace), n.name)
}
