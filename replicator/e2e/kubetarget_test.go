package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	objects "github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const livePolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: shop
      resources: [configmaps, deployments.apps, services, widgets.example.com]
      namespaces: [shop, later]
      maxDeletePercent: 100
    - name: cluster
      resources: [namespaces, customresourcedefinitions.apiextensions.k8s.io]
      names: [shop, widgets.example.com]
      maxDeletePercent: 100
`

// live is an edge that is a Kubernetes cluster.
type live struct {
	*site
	plane *kube.Plane
}

func newLive(t *testing.T, policy string) *live {
	t.Helper()
	plane := kube.New(t, kube.Options{Nodes: 1})
	s := newSite(t, withPolicy(policy), withLinks)
	s.edge.Target = config.Cluster{Kubernetes: &config.Kubernetes{Kubeconfig: plane.Kubeconfig()}}
	return &live{s, plane}
}

// store puts an object where the source's API server would.
func (l *live) store(key objects.Key, o map[string]any) {
	l.t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.put(string(key.StorageKey("/registry")), string(raw))
}

func (l *live) drop(key objects.Key) {
	l.t.Helper()
	if _, err := l.source.Client().Delete(l.t.Context(), string(key.StorageKey("/registry"))); err != nil {
		l.t.Fatal(err)
	}
}

func setting(namespace, name, value string) (objects.Key, map[string]any) {
	o := objectOf("v1", "ConfigMap", namespace, name)
	o["data"] = map[string]any{"a": value}
	return objects.Key{Resource: "configmaps", Namespace: namespace, Name: name, Namespaced: true}, o
}

func objectOf(apiVersion, kind, namespace, name string) map[string]any {
	metadata := map[string]any{"name": name, "uid": "0-0", "resourceVersion": "1", "creationTimestamp": "2026-01-02T03:04:05Z"}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
}

// at is an object at the edge, nil when there is none.
func (l *live) at(word, namespace, name string) *unstructured.Unstructured {
	l.t.Helper()
	u, err := l.plane.Client().Get(l.t.Context(), word, namespace, name)
	if err != nil {
		l.plane.Client().Forget()
		u, err = l.plane.Client().Get(l.t.Context(), word, namespace, name)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return u
}

func (l *live) says(word, namespace, name, value string) bool {
	u := l.at(word, namespace, name)
	if u == nil {
		return false
	}
	is, _, _ := unstructured.NestedString(u.Object, "data", "a")
	return is == value
}

var widgets = objects.Key{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Name: "widgets.example.com"}

// The whole way from the source's store to a live cluster: the first copy in an
// order that works, changes, deletes, what the edge refuses and takes later, also
// while the hub is away, and a new start without the data directory.
func TestAnEdgeThatIsAKubernetesCluster(t *testing.T) {
	t.Parallel()
	l := newLive(t, livePolicy)
	manifests, err := kube.ReadManifests("../../testdata/kubernetes/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	web := objectOf("apps/v1", "Deployment", "shop", "web")
	web["spec"] = map[string]any{
		"replicas": 2, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:1"}}},
		},
	}
	l.store(objects.Key{Group: "apps", Resource: "deployments", Namespace: "shop", Name: "web", Namespaced: true}, web)
	l.store(objects.Key{Resource: "namespaces", Name: "shop"}, objectOf("v1", "Namespace", "", "shop"))
	l.store(widgets, find(t, manifests, "CustomResourceDefinition", "widgets.example.com"))
	l.store(objects.Key{Group: "example.com", Resource: "widgets", Namespace: "shop", Name: "big", Namespaced: true}, find(t, manifests, "Widget", "big"))
	l.store(setting("shop", "settings", "1"))
	l.startExporter()
	stop := l.startImporter()
	e := l.report("is in sync", in(status.InSync))
	if e.Keys != 5 || e.Tier != "kubernetes" {
		t.Errorf("it holds %d keys at tier %s", e.Keys, e.Tier)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.plane.WaitRolledOut(ctx, "shop", "web"); err != nil {
		t.Error(err)
	}

	l.store(setting("shop", "settings", "2"))
	l.store(setting("later", "waits", "1"))
	l.store(setting("shop", "large", strings.Repeat("x", 1<<10)))
	l.report("is degraded", waits(1, status.Waiting, `namespaces "later" not found`))
	l.until("the others are applied", func() bool {
		return l.says("configmaps", "shop", "settings", "2") && l.at("configmaps", "shop", "large") != nil
	})
	l.edgeLink.Refuse() // what is parked needs no source
	if err := l.plane.Client().Apply(t.Context(), object("v1", "Namespace", "", "later")); err != nil {
		t.Fatal(err)
	}
	l.until("what waited is there", func() bool { return l.says("configmaps", "later", "waits", "1") })
	l.edgeLink.Pass()
	l.report("is in sync again", in(status.InSync))

	l.drop(objects.Key{Resource: "configmaps", Namespace: "shop", Name: "large", Namespaced: true})
	l.until("the object is gone", func() bool { return l.at("configmaps", "shop", "large") == nil })
	l.report("is in sync without it", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 6 })

	stop()
	version := l.at("configmaps", "shop", "settings").GetResourceVersion()
	if err := os.Remove(filepath.Join(l.edge.DataDir, "inventory.db")); err != nil {
		t.Fatal(err)
	}
	l.store(setting("shop", "settings", "3"))
	l.drop(objects.Key{Resource: "configmaps", Namespace: "later", Name: "waits", Namespaced: true})
	mark := l.reports.mark()
	l.startImporter()
	l.reportSince(mark, "is in sync without its memory", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 5 })
	if l.at("configmaps", "later", "waits") != nil || l.at("configmaps", "shop", "settings").GetResourceVersion() == version {
		t.Error("what changed meanwhile is not at the edge")
	}
}

// waits is an edge that says how many keys are parked and in which words.
func waits(keys int, why, words string) func(status.Edge) bool {
	return func(e status.Edge) bool {
		return e.State == status.Degraded && e.ParkedKeys == keys && e.Parked[0].Why == why && strings.Contains(e.Parked[0].Reason, words)
	}
}

// Somebody edits and deletes at the edge: the digest tells, and the source wins.
func TestALiveClusterThatIsEditedIsRepaired(t *testing.T) {
	t.Parallel()
	l := newLive(t, livePolicy)
	l.store(objects.Key{Resource: "namespaces", Name: "shop"}, objectOf("v1", "Namespace", "", "shop"))
	for i := range 20 {
		l.store(setting("shop", fmt.Sprint("s-", i), "1"))
	}
	l.startExporter()
	l.startImporter()
	l.report("is in sync", in(status.InSync))
	mine := object("v1", "ConfigMap", "shop", "s-1")
	mine["data"] = map[string]any{"a": "theirs"}
	if err := l.plane.Client().Apply(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if err := l.plane.Client().Delete(t.Context(), "configmaps", "shop", "s-2"); err != nil {
		t.Fatal(err)
	}
	l.until("both are as the source has them", func() bool {
		return l.says("configmaps", "shop", "s-1", "1") && l.says("configmaps", "shop", "s-2", "1")
	})
	l.report("is in sync again", in(status.InSync))
}
