package e2e

import (
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const shopPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: shop
      resources: ["*"]
      namespaces: [shop]
`

const rolled = "/kubernetes/deployments.apps/shop/rolled"

// A Deployment that is created and rolled out once made 120 events of etcd. Two
// of them change what was asked for, and reach the edge.
func TestARolloutReachesTheEdgeAsTwoChanges(t *testing.T) {
	t.Parallel()
	events, err := kube.ReadSamples("../../testdata/kubernetes/rollout.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 120 {
		t.Errorf("the rollout made %d events", len(events))
	}
	s := newSite(t, withPolicy(shopPolicy))
	edge := s.observe()
	s.startExporter()
	s.startImporter()
	for i, e := range events {
		s.replay(e)
		if i == 0 { // so that the two changes are not applied as one
			edge.wait(func(l line) bool { return l.key == rolled })
		}
	}
	edge.wait(func(l line) bool { return l.key == rolled && strings.Contains(l.value, "app:2") })
	s.replay(kube.Sample{Key: "/registry/configmaps/shop/end", Value: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"end","namespace":"shop"}}`)})
	edge.wait(func(l line) bool { return l.key == "/kubernetes/configmaps/shop/end" })

	got := edge.lines()
	want := []string{"registry.example.com/app:1", "registry.example.com/app:2", `"name":"end"`}
	if len(got) != len(want) {
		t.Fatalf("%d events reached the edge as %d changes: %v", len(events), len(got), got)
	}
	for i, l := range got {
		if !strings.Contains(l.value, want[i]) {
			t.Errorf("change %d is %v; want %s", i, l, want[i])
		}
	}
}

// replay does at the source what a control plane did.
func (s *site) replay(e kube.Sample) {
	s.t.Helper()
	op := clientv3.OpPut(e.Key, string(e.Value))
	if e.Deleted {
		op = clientv3.OpDelete(e.Key)
	}
	if _, err := s.source.Client().Do(s.t.Context(), op); err != nil {
		s.t.Fatalf("replay %s: %v", e.Key, err)
	}
}
