package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const applicationPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: definitions
      resources: [customresourcedefinitions.apiextensions.k8s.io]
      names: ["*.shop.example.com"]
    - name: namespace
      resources: [namespaces]
      names: [shop]
    - name: secrets
      resources: [secrets]
      namespaces: [shop]
      allowSecrets: true
    - name: web
      resources: [deployments.apps]
      namespaces: [shop]
      labels: app=web
      ignoreFields: [{preset: hpa-replicas}]
      maxDeletePercent: 100
    - name: shop
      resources:
        - configmaps
        - serviceaccounts
        - services
        - persistentvolumeclaims
        - ingresses.networking.k8s.io
        - networkpolicies.networking.k8s.io
        - cronjobs.batch
        - horizontalpodautoscalers.autoscaling
        - tills.shop.example.com
      namespaces: [shop]
`

// shop is a cloud cluster and an edge cluster, both real, and the application
// that runs in both.
type shop struct {
	*site
	cloud, edge *kube.Plane
	objects     []map[string]any
}

// newShop has the edge give Services other addresses than the cloud does.
func newShop(t *testing.T) *shop {
	t.Helper()
	h := &shop{cloud: kube.New(t, kube.Options{Nodes: 2})}
	h.edge = kube.New(t, kube.Options{Nodes: 2, APIServer: []string{"--service-cluster-ip-range=10.200.0.0/16"}})
	var err error
	if h.objects, err = kube.ReadManifests("../../testdata/kubernetes/shop.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := h.cloud.Populate(t.Context(), h.objects); err != nil {
		t.Fatal(err)
	}
	h.site = newSite(t, withLinks, withPolicy(applicationPolicy), between(h.cloud.Etcd, h.edge.Etcd), func(s *site) {
		s.writes = fmt.Sprintf("{kubernetes: {kubeconfig: %q}}\naccept: {secrets: true}", h.edge.Kubeconfig())
	})
	return h
}

// shopPatience bounds one wait: two control planes share the machine.
const shopPatience = 2 * time.Minute

// await waits until the edge answers nil.
func (h *shop) await(what string, ask func(context.Context) error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), shopPatience)
	defer cancel()
	began := time.Now()
	if err := h.edge.Await(ctx, what, ask); err != nil {
		h.t.Fatalf("%v; the edge says %s", err, h.newest())
	}
	h.t.Logf("%s: after %v", what, time.Since(began).Round(100*time.Millisecond))
}

// at reads one object of the shop at a cluster.
func (h *shop) at(ctx context.Context, p *kube.Plane, word, name string) (*unstructured.Unstructured, error) {
	return p.Client().Get(ctx, word, "shop", name)
}

func (h *shop) awaitField(what, word, name string, want any, path ...string) {
	h.t.Helper()
	h.await(what, func(ctx context.Context) error {
		u, err := h.at(ctx, h.edge, word, name)
		if err != nil {
			return err
		}
		got, _, err := unstructured.NestedFieldNoCopy(u.Object, path...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return errors.Join(err, fmt.Errorf("%s is %v, want %v", strings.Join(path, "."), got, want))
		}
		return err
	})
}

func (h *shop) awaitGone(word, name string) {
	h.t.Helper()
	h.await("the "+word+" "+name+" is gone", func(ctx context.Context) error {
		_, err := h.at(ctx, h.edge, word, name)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err == nil:
			return errors.New("it is there")
		default:
			return err
		}
	})
}

// awaitPods waits for so many ready pods of the web.
func (h *shop) awaitPods(n int) {
	h.t.Helper()
	h.await(fmt.Sprintf("%d pods are ready", n), func(ctx context.Context) error {
		pods, err := h.edge.Client().List(ctx, "pods", "shop")
		if err != nil {
			return err
		}
		ready := 0
		for _, p := range pods {
			conditions, _, _ := unstructured.NestedSlice(p.Object, "status", "conditions")
			for _, c := range conditions {
				if c, ok := c.(map[string]any); ok && c["type"] == "Ready" && c["status"] == "True" {
					ready++
				}
			}
		}
		if ready != n || len(pods) != n {
			return fmt.Errorf("%d of %d pods are ready", ready, len(pods))
		}
		return nil
	})
}

func (h *shop) applyCloud(kind, name string, change func(object map[string]any)) {
	h.t.Helper()
	o := find(h.t, h.objects, kind, name)
	change(o)
	if err := h.cloud.Client().Apply(h.t.Context(), o); err != nil {
		h.t.Fatal(err)
	}
}

func (h *shop) deleteCloud(word, name string) {
	h.t.Helper()
	if err := h.cloud.Client().Delete(h.t.Context(), word, "shop", name); err != nil {
		h.t.Fatal(err)
	}
}

// applyEdge applies part of an object as somebody on site does.
func (h *shop) applyEdge(o map[string]any) {
	h.t.Helper()
	if _, err := h.edge.Client().ApplyAs(h.t.Context(), "on-site", o); err != nil {
		h.t.Fatal(err)
	}
}

func setImage(image string) func(map[string]any) {
	return func(o map[string]any) {
		field(o, "spec", "template", "spec")["containers"].([]any)[0].(map[string]any)["image"] = image
	}
}

// An application that is applied in the cloud runs at an edge that is a cluster
// of its own; it survives being cut off, a reboot and people on site; and it
// leaves when it is not selected any more.
func TestKubeEdgeRunsTheApplication(t *testing.T) {
	h := newShop(t)
	h.startExporter()
	h.startImporter()
	h.runs()
	h.nothingOfTheCloud()
	h.cutOff()
	h.scaledOnSite()
	h.leaves()
}

func (h *shop) inSync(what string) {
	h.t.Helper()
	at := h.sourceRevision()
	h.report(what, func(e status.Edge) bool {
		return (e.State == status.InSync) && e.VerifiedRevision >= at && e.Tier == "kubernetes"
	})
}

func (h *shop) runs() {
	h.t.Helper()
	h.awaitPods(2)
	h.await("every object is there", func(ctx context.Context) error {
		for _, o := range h.objects {
			if _, err := h.edge.Client().Current(ctx, o); err != nil {
				h.edge.Client().Forget() // the definition is new
				return err
			}
		}
		return nil
	})
	h.await("the Service has endpoints", func(ctx context.Context) error {
		slices, err := h.edge.Client().List(ctx, "endpointslices.discovery.k8s.io", "shop")
		if err != nil {
			return err
		}
		for _, s := range slices {
			if endpoints, _, _ := unstructured.NestedSlice(s.Object, "endpoints"); len(endpoints) == 2 {
				return nil
			}
		}
		return fmt.Errorf("%d EndpointSlices, none has two endpoints", len(slices))
	})
	service, err := h.at(h.t.Context(), h.edge, "services", "web")
	if err != nil {
		h.t.Fatal(err)
	}
	if ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP"); !strings.HasPrefix(ip, "10.200.") {
		h.t.Errorf("the Service has address %q, which is not one of the edge's", ip)
	}
	h.inSync("is in sync")
}

// nothingOfTheCloud checks that no object at the edge holds a UID of the cloud,
// or what a manager of fields there did.
func (h *shop) nothingOfTheCloud() {
	h.t.Helper()
	for _, o := range h.objects {
		there, err := h.cloud.Client().Current(h.t.Context(), o)
		if err != nil {
			h.t.Fatal(err)
		}
		here, err := h.edge.Client().Current(h.t.Context(), o)
		if err != nil {
			h.t.Fatal(err)
		}
		raw, err := json.Marshal(here)
		if err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(string(raw), string(there.GetUID())) {
			h.t.Errorf("the %s %s holds the cloud's UID %s: %s", here.GetKind(), here.GetName(), there.GetUID(), raw)
		}
		for _, m := range here.GetManagedFields() {
			if m.Manager == "test" {
				h.t.Errorf("the %s %s is managed by %q of the cloud", here.GetKind(), here.GetName(), m.Manager)
			}
		}
	}
}

// cutOff changes and deletes in the cloud while the link is cut and the edge
// reboots, and edits at the edge. What the edge changed is put back without the
// cloud.
func (h *shop) cutOff() {
	h.t.Helper()
	h.edgeLink.Refuse()
	h.applyCloud("Deployment", "web", setImage("registry.example.com/web:2"))
	h.applyCloud("ConfigMap", "settings", func(o map[string]any) { field(o, "data")["colour"] = "red" })
	h.deleteCloud("configmaps", "old-settings")
	h.deleteCloud("tills.shop.example.com", "lane-2")
	if err := h.edge.Reboot(h.t.Context(), nil); err != nil {
		h.t.Fatal(err)
	}
	edited := object("v1", "ConfigMap", "shop", "settings")
	edited["data"] = map[string]any{"colour": "pink"}
	h.applyEdge(edited)
	if err := h.edge.Client().Delete(h.t.Context(), "networkpolicies.networking.k8s.io", "shop", "web"); err != nil {
		h.t.Fatal(err)
	}
	h.awaitField("the edit is put back without the cloud", "configmaps", "settings", "blue", "data", "colour")
	h.await("the NetworkPolicy is put back without the cloud", func(ctx context.Context) error {
		_, err := h.at(ctx, h.edge, "networkpolicies.networking.k8s.io", "web")
		return err
	})
	h.edgeLink.Pass()
	h.awaitField("the cloud's change is there", "configmaps", "settings", "red", "data", "colour")
	h.awaitGone("configmaps", "old-settings")
	h.awaitGone("tills.shop.example.com", "lane-2")
	h.awaitImage("registry.example.com/web:2")
	h.inSync("is in sync again")
}

func (h *shop) awaitImage(image string) {
	h.t.Helper()
	h.await("the pods run "+image, func(ctx context.Context) error {
		pods, err := h.edge.Client().List(ctx, "pods", "shop")
		if err != nil {
			return err
		}
		for _, p := range pods {
			containers, _, _ := unstructured.NestedSlice(p.Object, "spec", "containers")
			if got := containers[0].(map[string]any)["image"]; got != image {
				return fmt.Errorf("pod %s runs %v", p.GetName(), got)
			}
		}
		if len(pods) == 0 {
			return errors.New("there are no pods")
		}
		return nil
	})
}

// scaledOnSite has an autoscaler of the edge want more replicas than the cloud.
func (h *shop) scaledOnSite() {
	h.t.Helper()
	h.applyCloud("HorizontalPodAutoscaler", "batch", func(o map[string]any) {
		field(o, "spec", "scaleTargetRef")["name"] = "other" // of the cloud, and replicated
	})
	h.inSync("the cloud's autoscaler is about another Deployment")
	own := object("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "on-site")
	own["spec"] = map[string]any{
		"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
		"minReplicas":    int64(4), "maxReplicas": int64(6),
	}
	h.applyEdge(own)
	h.awaitPods(4)
	h.inSync("is in sync with four replicas")
	h.applyCloud("Deployment", "web", setImage("registry.example.com/web:3"))
	h.awaitImage("registry.example.com/web:3")
	h.awaitPods(4)
	h.inSync("is in sync with another image and four replicas")
	edges, _ := h.reports.since(0)
	for _, p := range edges[len(edges)-1].Parked {
		h.t.Errorf("parked is %+v", p)
	}
}

// leaves takes the Deployment out of the selection.
func (h *shop) leaves() {
	h.t.Helper()
	h.applyCloud("Deployment", "web", func(o map[string]any) { delete(field(o, "metadata", "labels"), "app") })
	h.awaitGone("deployments.apps", "web")
	h.awaitPods(0)
	h.await("its ReplicaSets are gone", func(ctx context.Context) error {
		sets, err := h.edge.Client().List(ctx, "replicasets.apps", "shop")
		if err == nil && len(sets) > 0 {
			err = fmt.Errorf("%d are there", len(sets))
		}
		return err
	})
	h.inSync("is in sync without it")
}
