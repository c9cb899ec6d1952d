package target

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// Namespace is syncer's own in a cluster. Nothing in it crosses under any policy.
const Namespace = object.SyncerNamespace

// What the ConfigMaps of a channel are about, in a label of theirs.
const (
	aboutCursor   = "cursor"
	aboutParked   = "parked"
	aboutReleased = "released"

	labelAbout   = "syncer.io/about"
	labelSource  = "syncer.io/source"
	labelChannel = "syncer.io/channel"
)

// requestTime bounds one request. It is longer than a webhook may take.
const requestTime = 40 * time.Second

// ownMaps are the ConfigMaps in which a channel keeps what is its own. Names of
// sources and channels have no dots, so no two channels share a name.
type ownMaps struct {
	client *client.Client
	key    target.CursorKey
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func (m ownMaps) in() dynamic.ResourceInterface {
	return m.client.Objects.Resource(configMaps).Namespace(Namespace)
}

// name is that of a ConfigMap, with what tells it from others of its sort.
func (m ownMaps) name(about, which string) string {
	name := about + "." + m.key.Source + "." + m.key.Channel
	if which != "" {
		name += "." + which
	}
	return name
}

// get is nil when there is none.
func (m ownMaps) get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	u, err := m.in().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, m.failed("read", name, err)
	}
	return typed(u)
}

func typed(u *unstructured.Unstructured) (*corev1.ConfigMap, error) {
	var out corev1.ConfigMap
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &out); err != nil {
		return nil, fmt.Errorf("read the ConfigMap %s/%s: %w", Namespace, u.GetName(), err)
	}
	return &out, nil
}

// put creates the ConfigMap, or, with a version, replaces the one that has
// exactly that. Another one that is there gives errChanged.
func (m ownMaps) put(ctx context.Context, about, name, version string, text map[string]string, binary map[string][]byte) (string, error) {
	c := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace, ResourceVersion: version, Labels: map[string]string{
			"app.kubernetes.io/managed-by": "syncer", labelAbout: about, labelSource: m.key.Source, labelChannel: m.key.Channel,
		}},
		Data: text, BinaryData: binary,
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c)
	if err != nil {
		return "", fmt.Errorf("make the ConfigMap %s: %w", name, err)
	}
	u := &unstructured.Unstructured{Object: object}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var done *unstructured.Unstructured
	failpoint.Hit(failpoint.MapPutBefore)
	if version == "" {
		done, err = m.create(ctx, u)
	} else {
		done, err = m.in().Update(ctx, u, metav1.UpdateOptions{FieldManager: Manager})
	}
	failpoint.Hit(failpoint.MapPutAfter)
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), version != "" && apierrors.IsNotFound(err):
		return "", errChanged
	case err != nil:
		return "", m.failed("write", name, err)
	}
	return done.GetResourceVersion(), nil
}

// errChanged says that a ConfigMap is not the one that was read.
var errChanged = errors.New("it was changed by somebody else")

// create makes the namespace with the first ConfigMap.
func (m ownMaps) create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	done, err := m.in().Create(ctx, u, metav1.CreateOptions{FieldManager: Manager})
	if !apierrors.IsNotFound(err) {
		return done, err
	}
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": Namespace},
	}}
	_, err = m.client.Objects.Resource(namespaces).Create(ctx, ns, metav1.CreateOptions{FieldManager: Manager})
	failpoint.Hit(failpoint.NamespaceMade)
	if apierrors.IsForbidden(err) {
		return nil, fault.New(fault.Refused, "kubectl create namespace "+Namespace, "the namespace %s is missing: %w", Namespace, err)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	return m.in().Create(ctx, u, metav1.CreateOptions{FieldManager: Manager})
}

func (m ownMaps) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	failpoint.Hit(failpoint.MapRemoveBefore)
	err := m.in().Delete(ctx, name, metav1.DeleteOptions{})
	failpoint.Hit(failpoint.MapRemoveAfter)
	if err != nil && !apierrors.IsNotFound(err) {
		return m.failed("delete", name, err)
	}
	return nil
}

// list gives the ConfigMaps of the channel about something, a few at a time.
func (m ownMaps) list(ctx context.Context, about string, fn func(*corev1.ConfigMap) error) error {
	selector := labels.Set{labelAbout: about, labelSource: m.key.Source, labelChannel: m.key.Channel}.String()
	next := ""
	for {
		page, err := m.page(ctx, metav1.ListOptions{LabelSelector: selector, Limit: mapsAtOnce, Continue: next})
		if err != nil {
			return m.failed("list", m.name(about, "*"), err)
		}
		for i := range page.Items {
			c, err := typed(&page.Items[i])
			if err == nil {
				err = fn(c)
			}
			if err != nil {
				return err
			}
		}
		if next = page.GetContinue(); next == "" {
			return nil
		}
	}
}

// mapsAtOnce bounds what is read of them at a time: each may hold a megabyte.
const mapsAtOnce = 16

func (m ownMaps) page(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return m.in().List(ctx, o)
}

func (m ownMaps) failed(what, name string, err error) error {
	return fmt.Errorf("%s the ConfigMap %s/%s: %w", what, Namespace, name, m.client.Explain(err))
}

// revision reads a resource version as the number that it is.
func revision(version string) int64 {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return 0 // of a server that counts otherwise
	}
	return n
}
