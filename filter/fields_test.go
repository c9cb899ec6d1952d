package filter

import (
	"fmt"
	"strings"
	"testing"
)

// storedObject is an object of the namespace shop and its key.
func storedObject(prefix, apiVersion, kind, name, rest string) (key, value []byte) {
	return fmt.Appendf(nil, "/registry/%s/shop/%s", prefix, name), fmt.Appendf(nil,
		`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":"shop","uid":"0e1a"}%s}`, apiVersion, kind, name, rest)
}

const deploymentRest = `,"spec":{"replicas":5,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx"}]}}}`

// A rule for several kinds sets a field where there is one.
func TestFieldsAreSetWhereTheyExist(t *testing.T) {
	s := parsed(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  rules:
    - resources: [configmaps, deployments.apps, widgets.example.com]
      transform: [{setFields: {spec.replicas: 1}}]
`)
	for _, test := range []struct{ prefix, apiVersion, kind, rest, want string }{
		{"configmaps", "v1", "ConfigMap", `,"data":{"a":"b"}`, `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"x","namespace":"shop"}}`},
		{"deployments", "apps/v1", "Deployment", deploymentRest, `"replicas":1,`},
		{"example.com/widgets", "example.com/v1", "Widget", "", `"spec":{"replicas":1}`},
	} {
		key, value := storedObject(test.prefix, test.apiVersion, test.kind, "x", test.rest)
		if got := take(s, key, value); !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %s", test.kind, got, test.want)
		}
	}
}

// An object that its type cannot hold is refused by name, not delivered.
func TestTransformsMakeObjectsOfTheirType(t *testing.T) {
	for _, test := range []struct{ op, want string }{
		{`{op: replace, path: /spec/replicas, value: three}`, "spec.replicas takes a whole number, not text"},
		{`{op: replace, path: /spec/replicas, value: 1.5}`, "spec.replicas takes a whole number, not 1.5"},
		{`{op: add, path: /spec/replcas, value: 3}`, "there is no field spec.replcas"},
		{`{op: move, from: /spec/template, path: /spec/pod}`, "there is no field spec.pod"},
		{`{op: replace, path: /spec/replicas, value: 3}`, ""},
	} {
		s := parsed(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  rules:
    - resources: [deployments.apps, widgets.example.com]
      transform: [{patch: [`+test.op+`]}]
`)
		want := "rule 0: /kubernetes/deployments.apps/shop/x = "
		if test.want != "" {
			want = "refused: what the transform makes of it is none of deployments.apps: " + test.want + "; try: correct the transform"
		}
		key, value := storedObject("deployments", "apps/v1", "Deployment", "x", deploymentRest)
		if got := take(s, key, value); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", test.op, got, want)
		}
	}
}

// The policy that the project was planned with.
func TestThePolicyThatShowsEverything(t *testing.T) {
	p := parsedPolicy(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: store}
spec:
  variables: {region: eu}
  rules:
    - name: flags
      prefix: /flags/
      exclude: [/flags/internal/]
      to: /edge/flags/
    - name: shop
      resources: [configmaps, deployments.apps, services, widgets.example.com]
      namespaces: [shop, "store-${edge.name}"]
      labels: "sync=true,tier!=debug"
      names: ["app-*"]
      where: 'object.spec.replicas > 0'
      transform:
        - dropFields: [spec.template.spec.nodeSelector]
        - setFields: {spec.replicas: 1}
        - images: {from: registry.example.com, to: mirror.local:5000}
        - namespace: {from: shop, to: "shop-${edge.name}"}
        - annotations: {add: {example.com/from: cloud}, remove: [note]}
        - patch: [{op: add, path: /metadata/annotations/example.com~1region, value: "${region}"}]
      onLeave: delete
      conflict: source-wins
      maxDeletePercent: 20
      allowSecrets: false
`)
	filled, err := p.Fill(Edge{Name: "muc"})
	if err != nil {
		t.Fatal(err)
	}
	key, value := storedObject("deployments", "apps/v1", "Deployment", "app-web", deploymentRest)
	value = []byte(strings.Replace(string(value), `"uid"`, `"labels":{"sync":"true"},"uid"`, 1))
	const want = `rule 1: /kubernetes/deployments.apps/shop-muc/app-web = {"apiVersion":"apps/v1","kind":"Deployment",` +
		`"metadata":{"annotations":{"example.com/from":"cloud","example.com/region":"eu"},"labels":{"sync":"true"},"name":"app-web","namespace":"shop-muc"},` +
		`"spec":{"replicas":1,`
	if got := take(compiled(t, filled), key, value); !strings.HasPrefix(got, want) {
		t.Errorf("got %s", got)
	}
}
