package kube

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/filter/object"
)

var update = flag.Bool("update", false, "make the samples in testdata/kubernetes anew, with a real control plane")

const samples = "../../../testdata/kubernetes/"

// TestMakeSamples makes the frozen samples that other tests read. Only with
// -update, because every cluster has its own UIDs and times.
func TestMakeSamples(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	p := New(t, Options{Nodes: 3})
	objects, err := ReadManifests(samples + "cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	rolledOut(t, p, "web")
	write(t, "stored.jsonl.zst", served(t, p, stored(t, p)))
	write(t, "rollout.jsonl.zst", rollout(t, p))
}

// TestMakeOtherEncodings freezes the same objects as JSON, and secrets that
// are encrypted.
func TestMakeOtherEncodings(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	config := t.TempDir() + "/encryption.yaml"
	writeFile(t, config, `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm: {keys: [{name: k1, secret: c2VjcmV0IGlzIHNlY3VyZSwgb3Igbm90IHNvLiAxMjM=}]}
      - identity: {}
`)
	p := New(t, Options{NoControllers: true, APIServer: []string{
		"--storage-media-type=application/json", "--encryption-provider-config=" + config,
	}})
	objects, err := ReadManifests(samples + "cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects = slices.DeleteFunc(objects, func(o map[string]any) bool { return o["kind"] == "Pod" }) // needs a controller's ServiceAccount
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	write(t, "json.jsonl.zst", stored(t, p))
}

func stored(t *testing.T, p *Plane) []Sample {
	t.Helper()
	all, err := p.Stored(t.Context(), "/registry/")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// served adds what the API server shows of each object that can be parsed.
func served(t *testing.T, p *Plane, all []Sample) []Sample {
	t.Helper()
	for i, s := range all {
		k, err := object.ParseKey("/registry", []byte(s.Key))
		if err != nil {
			continue // not an object
		}
		u, err := p.Client().Get(t.Context(), k.Word(), k.Namespace, k.Name)
		if err != nil {
			t.Logf("%s is not served: %v", s.Key, err)
			continue
		}
		if all[i].Served, err = json.Marshal(u.Object); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// rolledOut waits until a Deployment of the shop is what was asked for.
func rolledOut(t *testing.T, p *Plane, name string) {
	t.Helper()
	err := p.await(t.Context(), "wait for the rollout", func(ctx context.Context) error {
		u, err := p.Client().Get(ctx, "deployments.apps", "shop", name)
		if err != nil {
			return err
		}
		status, _ := u.Object["status"].(map[string]any)
		spec, _ := u.Object["spec"].(map[string]any)
		if status["observedGeneration"] != u.GetGeneration() || status["updatedReplicas"] != spec["replicas"] ||
			status["availableReplicas"] != spec["replicas"] || status["replicas"] != spec["replicas"] {
			return fmt.Errorf("status is %v", status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rollout is every event of a Deployment that is created and then given
// another image.
func rollout(t *testing.T, p *Plane) []Sample {
	t.Helper()
	head, err := p.Etcd.Client().Get(t.Context(), "/registry/health")
	if err != nil {
		t.Fatal(err)
	}
	deployment := func(image string) map[string]any {
		return map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "rolled", "namespace": "shop", "labels": map[string]any{"sync": "true"}},
			"spec": map[string]any{
				"replicas": int64(5), "selector": map[string]any{"matchLabels": map[string]any{"app": "rolled"}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": "rolled"}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": image}}},
				},
			},
		}
	}
	for _, image := range []string{"registry.example.com/app:1", "registry.example.com/app:2"} {
		if err := p.Client().Apply(t.Context(), deployment(image)); err != nil {
			t.Fatal(err)
		}
		rolledOut(t, p, "rolled")
	}
	return history(t, p, head.Header.Revision, func(key string) bool { return strings.Contains(key, "rolled") })
}

// history is every event after a revision on keys that are wanted.
func history(t *testing.T, p *Plane, after int64, wanted func(string) bool) []Sample {
	t.Helper()
	end, err := p.Etcd.Client().Put(t.Context(), "/end", "1")
	if err != nil {
		t.Fatal(err)
	}
	var out []Sample
	for resp := range p.Etcd.Client().Watch(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithRev(after+1)) {
		if err := errors.Join(resp.Err()); err != nil {
			t.Fatal(err)
		}
		for _, e := range resp.Events {
			if e.Kv.ModRevision >= end.Header.Revision {
				return out
			}
			if key := string(e.Kv.Key); wanted(key) {
				out = append(out, Sample{Key: key, ModRevision: e.Kv.ModRevision, Value: e.Kv.Value, Deleted: e.Type == clientv3.EventTypeDelete})
			}
		}
	}
	t.Fatal("the watch ended")
	return nil
}

func write(t *testing.T, name string, all []Sample) {
	t.Helper()
	if err := WriteSamples(samples+name, all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d samples", name, len(all))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
