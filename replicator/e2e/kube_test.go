package e2e

import (
	"fmt"
	"os"
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
// holds nothing of its cluster, so the story shows it as it is. It is the same
// story whatever the cluster is read through.
func TestAKubernetesClusterAndItsEdge(t *testing.T) {
	t.Parallel()
	tellOfACluster(t, kube.Options{Nodes: 2}, readEtcd)
}

func TestAKubernetesClusterThroughItsAPIServer(t *testing.T) {
	t.Parallel()
	tellOfACluster(t, kube.Options{Nodes: 2}, readAPIServer)
}

func TestAKubernetesClusterThatEncryptsWhatItStores(t *testing.T) {
	t.Parallel()
	config := t.TempDir() + "/encryption.yaml"
	if err := os.WriteFile(config, []byte(encryption), 0o600); err != nil {
		t.Fatal(err)
	}
	tellOfACluster(t, kube.Options{Nodes: 2, APIServer: []string{"--encryption-provider-config=" + config}}, readBoth)
}

const encryption = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [configmaps, deployments.apps, services, widgets.example.com]
    providers:
      - aesgcm: {keys: [{name: k1, secret: c2VjcmV0IGlzIHNlY3VyZSwgb3Igbm90IHNvLiAxMjM=}]}
`

// reads is what cloud.yaml says of the source.
type reads func(cloud *kube.Plane) string

func readEtcd(cloud *kube.Plane) string {
	return fmt.Sprintf("{etcd: {endpoints: [%q]}}", cloud.Etcd.Endpoint())
}

func readAPIServer(cloud *kube.Plane) string {
	return fmt.Sprintf("{kubernetes: {kubeconfig: %q}}", cloud.Kubeconfig())
}

func readBoth(cloud *kube.Plane) string {
	return fmt.Sprintf("{etcd: {endpoints: [%q]}, kubernetes: {kubeconfig: %q}}", cloud.Etcd.Endpoint(), cloud.Kubeconfig())
}

func tellOfACluster(t *testing.T, o kube.Options, how reads) {
	t.Helper()
	cloud := kube.New(t, o)
	objects, err := kube.ReadManifests("../../testdata/kubernetes/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects = append(objects, object("v1", "Namespace", "", "steps"))
	if err := cloud.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, withPolicy(labelPolicy), withSource(cloud.Etcd), readingBy(how(cloud)))
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

// readingBy is a site whose exporter reads its source so.
func readingBy(source string) option { return func(s *site) { s.reads = source } }

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
