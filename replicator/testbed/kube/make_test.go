package kube

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "freeze anew what control planes store")

const samples = "../../../testdata/kubernetes/"

// making skips a test that makes samples unless that is asked for: every
// cluster has its own UIDs and times.
func making(t *testing.T) {
	t.Helper()
	if !*update {
		t.Skip("only with -update")
	}
}

func TestMakeStoredSamples(t *testing.T) {
	making(t)
	p := New(t, Options{Nodes: 3})
	populate(t, p, "cluster.yaml")
	if err := p.WaitRolledOut(t.Context(), "shop", "web"); err != nil {
		t.Fatal(err)
	}
	start, err := p.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deploy(t, p, "rolled", "registry.example.com/app:1")
	deploy(t, p, "rolled", "registry.example.com/app:2")
	all, err := p.History(t.Context(), start, func(key string) bool { return strings.Contains(key, "rolled") })
	if err != nil {
		t.Fatal(err)
	}
	write(t, "rollout.jsonl.zst", all)
	freeze(t, p, "stored.jsonl.zst")
}

func TestMakeJSONSamples(t *testing.T) {
	making(t)
	config := t.TempDir() + "/encryption.yaml"
	if err := os.WriteFile(config, []byte(encryption), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New(t, Options{APIServer: []string{"--storage-media-type=application/json", "--encryption-provider-config=" + config}})
	populate(t, p, "cluster.yaml")
	freeze(t, p, "json.jsonl.zst")
}

const encryption = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm: {keys: [{name: k1, secret: c2VjcmV0IGlzIHNlY3VyZSwgb3Igbm90IHNvLiAxMjM=}]}
      - identity: {}
`

func TestMakeAlphaSamples(t *testing.T) {
	making(t)
	p := New(t, Options{NoControllers: true, APIServer: []string{
		"--runtime-config=api/all=true", "--feature-gates=AllAlpha=true,AllBeta=true",
	}})
	populate(t, p, "alpha.yaml")
	freeze(t, p, "alpha.jsonl.zst")
}

func populate(t *testing.T, p *Plane, name string) {
	t.Helper()
	objects, err := ReadManifests(samples + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
}

// deploy applies a Deployment of the shop and waits until it is rolled out.
func deploy(t *testing.T, p *Plane, name, image string) {
	t.Helper()
	if err := p.Client().Apply(t.Context(), deployment(t, name, image)); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitRolledOut(t.Context(), "shop", name); err != nil {
		t.Fatal(err)
	}
}

// deployment is the Deployment "web" of the manifests with another name and
// image.
func deployment(t *testing.T, name, image string) map[string]any {
	t.Helper()
	objects, err := ReadManifests(samples + "cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o["kind"] != "Deployment" {
			continue
		}
		o["metadata"].(map[string]any)["name"] = name
		spec := o["spec"].(map[string]any)
		template := spec["template"].(map[string]any)
		labels := map[string]any{"app": name}
		spec["selector"], template["metadata"] = map[string]any{"matchLabels": labels}, map[string]any{"labels": maps.Clone(labels)}
		template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["image"] = image
		return o
	}
	t.Fatal("the manifests have no Deployment")
	return nil
}

func freeze(t *testing.T, p *Plane, name string) {
	t.Helper()
	all, err := p.Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, all)
}

func write(t *testing.T, name string, all []Sample) {
	t.Helper()
	if err := WriteSamples(samples+name, all); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(samples + name)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(t.Output(), "%s: %d samples, %d bytes\n", name, len(all), info.Size())
}
