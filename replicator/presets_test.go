package replicator_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/conflict"
)

// TestPresetsKeepWhatControllersOwn has a controller of the edge set what a
// preset is about, and the source change something else: both stay.
func TestPresetsKeepWhatControllersOwn(t *testing.T) {
	for _, c := range []struct {
		preset, word             string
		base, edge, source, want string
	}{
		{"hpa-replicas", "deployments.apps",
			`spec: {replicas: 2, paused: false}`, `spec: {replicas: 5, paused: false}`, `spec: {replicas: 3, paused: true}`,
			`spec: {replicas: 5, paused: true}`},
		{"pvc-volume", "persistentvolumeclaims",
			`spec: {storageClassName: a}`,
			`{metadata: {annotations: {pv.kubernetes.io/bind-completed: "yes"}}, spec: {storageClassName: a, volumeName: pv-1}}`,
			`{metadata: {labels: {l: "1"}}, spec: {storageClassName: a}}`,
			`{metadata: {annotations: {pv.kubernetes.io/bind-completed: "yes"}, labels: {l: "1"}}, spec: {storageClassName: a, volumeName: pv-1}}`},
		{"service-addresses", "services",
			`spec: {ports: [{port: 80, protocol: TCP}]}`,
			`spec: {clusterIP: 10.1.2.3, clusterIPs: [10.1.2.3], ports: [{port: 80, protocol: TCP, nodePort: 30080}]}`,
			`spec: {ports: [{port: 80, protocol: TCP, targetPort: 8080}]}`,
			`spec: {clusterIP: 10.1.2.3, clusterIPs: [10.1.2.3], ports: [{port: 80, protocol: TCP, nodePort: 30080, targetPort: 8080}]}`},
		{"injected-sidecars", "deployments.apps",
			`spec: {template: {spec: {containers: [{name: web, image: "web:1"}]}}}`,
			`spec: {template: {spec: {containers: [{name: web, image: "web:1"}, {name: proxy, image: "proxy:1"}]}}}`,
			`spec: {template: {spec: {containers: [{name: web, image: "web:2"}]}}}`,
			`spec: {template: {spec: {containers: [{name: web, image: "web:2"}, {name: proxy, image: "proxy:1"}]}}}`},
	} {
		kind := map[string]string{"deployments.apps": "apps/v1, kind: Deployment", "persistentvolumeclaims": "v1, kind: PersistentVolumeClaim", "services": "v1, kind: Service"}[c.word]
		whole := func(text string) []byte {
			o := asMap(t, text)
			for name, value := range asMap(t, fmt.Sprintf("{apiVersion: %s}", kind)) {
				o[name] = value
			}
			return asJSON(t, jsonText(t, o))
		}
		rules := rulesOf(t, fmt.Sprintf("- resources: [%s]\n  ignoreFields: [{preset: %s}]", c.word, c.preset))
		key := []byte("/kubernetes/" + c.word + "/shop/x")
		d := conflict.Decide(ruleAt(t, rules, key), conflict.Case{
			Key: key, BaseKnown: true, Base: conflict.Some(whole(c.base)), Edge: conflict.Some(whole(c.edge)), Source: conflict.Some(whole(c.source)),
		})
		if got, want := string(d.Write.Bytes), string(whole(c.want)); got != want || d.Type.Conflict() {
			t.Errorf("%s: %s\n%s\nwant\n%s", c.preset, told(d), got, want)
		}
		if d := conflict.Decide(ruleAt(t, rules, key), conflict.Case{
			Key: key, BaseKnown: true, Base: conflict.Some(whole(c.base)), Edge: conflict.Some(whole(c.edge)), Source: conflict.Some(whole(c.base)),
		}); d.Outcome != conflict.KeepEdge || d.Type.Conflict() {
			t.Errorf("%s: what only a controller changed is %s, %v", c.preset, told(d), d.Outcome)
		}
	}
}

func asMap(t *testing.T, text string) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(asJSON(t, text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func jsonText(t *testing.T, o map[string]any) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
