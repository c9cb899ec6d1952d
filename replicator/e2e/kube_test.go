package e2e

import (
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const labelPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: shop
      resources: [configmaps, deployments.apps, services, widgets.example.com]
      namespaces: [shop, steps]
      labels: sync=true
      maxDeletePercent: 100
      transform:
        - images: {from: registry.example.com, to: registry.edge.local}
`

// What happens to a real cluster, and what its edge sees of that. What crosses
// holds nothing of its cluster, so the story shows it as it is.
func TestAKubernetesClusterAndItsEdge(t *testing.T) {
	t.Parallel()
	cloud := kube.New(t, kube.Options{Nodes: 2})
	objects, err := kube.ReadManifests("../../testdata/kubernetes/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects = append(objects, object("v1", "Namespace", "", "steps"))
	if err := cloud.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, withPolicy(labelPolicy), withSource(cloud.Etcd))
	y := s.story(cloud)
	s.startExporter()
	s.startImporter()

	web := find(t, objects, "Deployment", "web")
	y.step("the edge is attached", func() {})
	y.step("the Deployment is rolled out to another image", func() {
		container := field(web, "spec", "template", "spec")["containers"].([]any)[0].(map[string]any)
		container["image"] = "registry.example.com/web:2"
		y.rollOut(web)
	})
	y.step("it is scaled", func() {
		field(web, "spec")["replicas"] = int64(3)
		y.rollOut(web)
	})
	y.step("Services are labelled", func() {
		for _, name := range []string{"allocated", "asked", "fixed"} {
			service := find(t, objects, "Service", name)
			field(service, "metadata")["labels"] = map[string]any{"sync": "true"}
			y.apply(service)
		}
	})
	y.step("the Deployment loses its label", func() {
		delete(field(web, "metadata", "labels"), "sync")
		y.apply(web)
	})
	y.step("and gets it back", func() {
		field(web, "metadata", "labels")["sync"] = "true"
		y.apply(web)
	})
	y.step("the definition of the widgets is deleted", func() {
		y.remove("customresourcedefinitions.apiextensions.k8s.io", "", "widgets.example.com")
	})
	y.step("the namespace is deleted", func() { y.remove("namespaces", "", "shop") })
	y.check("testdata/kubernetes.txt")
}

func find(t *testing.T, objects []map[string]any, kind, name string) map[string]any {
	t.Helper()
	for _, o := range objects {
		if o["kind"] == kind && field(o, "metadata")["name"] == name {
			return o
		}
	}
	t.Fatalf("the manifests have no %s %s", kind, name)
	return nil
}

func field(object map[string]any, path ...string) map[string]any {
	for _, name := range path {
		object = object[name].(map[string]any)
	}
	return object
}

func object(apiVersion, kind, namespace, name string) map[string]any {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
}
