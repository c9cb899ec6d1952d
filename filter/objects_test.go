package filter

import (
	"fmt"
	"strings"
	"testing"
)

// configMap is a stored ConfigMap.
func configMap(namespace, name string, labels ...string) (key, value []byte) {
	pairs := make([]string, len(labels))
	for i, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		pairs[i] = fmt.Sprintf("%q:%q", k, v)
	}
	return fmt.Appendf(nil, "/registry/configmaps/%s/%s", namespace, name), fmt.Appendf(nil,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":%q,"uid":"0e1a","labels":{%s}},"data":{"a":"b"}}`,
		name, namespace, strings.Join(pairs, ","))
}

func parsed(t *testing.T, text string) *Selection {
	t.Helper()
	return compiled(t, parsedPolicy(t, text))
}

// take is the outcome in one line.
func take(s *Selection, key, value []byte) string {
	switch o := s.Take(key, value); o.Verdict {
	case Selected:
		return fmt.Sprintf("rule %d: %s = %s", o.Rule, o.Key, o.Value)
	case Left:
		return strings.TrimSpace(fmt.Sprintf("left (%d): %s%s", o.Rule, o.Reason, map[bool]string{true: ", orphan"}[o.Orphan]))
	case Refused:
		return "refused: " + o.Reason
	default:
		return "outside"
	}
}

const shopPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  defaults: {exceptNamespaces: ["*-edge"]}
  rules:
    - name: labelled
      resources: [configmaps]
      labels: sync=true,tier!=debug
      onLeave: orphan
      exceptNames: ["*.bak"]
      transform:
        - namespace: {from: shop, to: shop-edge}
        - annotations: {add: {from: cloud}}
    - name: by-name
      resources: [configmaps]
      namespaces: [shop, "team-*"]
      names: ["app-?"]
      where: object.data.a == 'b'
      transform:
        - namespace: {from: shop, to: shop-edge}
    - name: bytes
      prefix: /flags/
`

func TestTakeObjects(t *testing.T) {
	s := parsed(t, shopPolicy)
	const object = `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{%s"name":%q,"namespace":%q}}`
	annotated := `"annotations":{"from":"cloud"},"labels":{"sync":"true"},`
	for _, test := range []struct {
		namespace, name, labels, want string
	}{
		{"shop", "x", "sync=true", "rule 0: /kubernetes/configmaps/shop-edge/x = " + fmt.Sprintf(object, annotated, "x", "shop-edge")},
		{"dev", "x", "sync=true", "rule 0: /kubernetes/configmaps/dev/x = " + fmt.Sprintf(object, annotated, "x", "dev")},
		{"dev", "x", "sync=false", "left (-1): its labels do not match, orphan"},
		{"dev", "x", "sync=true,tier=debug", "left (-1): its labels do not match, orphan"},
		{"dev", "app-1", "a=b", "left (-1): its labels do not match, orphan"},
		{"dev", "x.bak", "sync=true", "left (0): its name stays behind, orphan"},
		{"shop", "app-1.bak", "a=b", "left (0): its name stays behind, orphan"},
		{"shop", "app-1", "a=b", "rule 1: /kubernetes/configmaps/shop-edge/app-1 = " + fmt.Sprintf(object, `"labels":{"a":"b"},`, "app-1", "shop-edge")},
		{"team-1", "app-1", "a=b", "rule 1: /kubernetes/configmaps/team-1/app-1 = " + fmt.Sprintf(object, `"labels":{"a":"b"},`, "app-1", "team-1")},
		{"team-1", "app-10", "a=b", "left (-1): its name is not selected, orphan"},
		{"kube-system", "app-1", "sync=true", "outside"},
		{"shop-edge", "x", "sync=true", "outside"},
		{"shop", "kube-root-ca.crt", "sync=true", "left (0): every namespace has its own"},
	} {
		key, value := configMap(test.namespace, test.name, strings.Split(test.labels, ",")...)
		got := take(s, key, value)
		if got != test.want {
			t.Errorf("%s/%s %s:\n%s\nwant\n%s", test.namespace, test.name, test.labels, got, test.want)
		}
		if places := s.Places(key); (got == "outside") != (len(places) == 0) || len(places) > 1 {
			t.Errorf("%s has the places %q", key, places)
		}
	}
	if got := take(s, []byte("/flags/a"), []byte("1")); got != "rule 2: /flags/a = 1" {
		t.Errorf("a flag: %s", got)
	}
}

func TestTakeRefuses(t *testing.T) {
	s := parsed(t, shopPolicy)
	key, value := configMap("dev", "x", "sync=true")
	for name, test := range map[string]struct{ key, value, want string }{
		"another name":  {string(key) + "y", string(value), "refused: "},
		"encrypted":     {string(key), "k8s:enc:aescbc:v1:k1:...", "refused: the value is encrypted at rest"},
		"not an object": {string(key), "true", "refused: the value is in no encoding"},
		"no name":       {"/registry/configmaps/dev", string(value), "refused: "},
		"unknown field": {string(key), strings.Replace(string(value), `"data"`, `"dataa"`, 1), "refused: "},
	} {
		if got := take(s, []byte(test.key), []byte(test.value)); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What its key withholds is not refused for what it holds: with encryption at
// rest every namespace has such an object, and every edge would be degraded.
func TestWithheldByItsKeyIsNotRefused(t *testing.T) {
	s := parsed(t, shopPolicy)
	for _, value := range []string{"k8s:enc:aescbc:v1:k1:...", "true", ""} {
		const want = "left (0): every namespace has its own"
		if got := take(s, []byte("/registry/configmaps/dev/kube-root-ca.crt"), []byte(value)); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// What is syncer's own crosses neither with all namespaces nor by its name.
func TestSyncersNamespaceStays(t *testing.T) {
	for _, rule := range []string{`{resources: ["*"]}`, `{resources: ["*"], namespaces: [syncer-system]}`, `{resources: ["*"], namespaces: ["*-system"]}`} {
		s := parsed(t, "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: shop}\nspec:\n  rules:\n    - "+rule+"\n")
		key, value := configMap("syncer-system", "cursor.cloud.shop", "a=b")
		for key, value := range map[string]string{
			string(key):                                      string(value),
			"/registry/namespaces/syncer-system":             `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"syncer-system"}}`,
			"/registry/serviceaccounts/syncer-system/syncer": "k8s:enc:aescbc:v1:k1:...",
		} {
			if got := take(s, []byte(key), []byte(value)); got != "left (0): the namespace syncer-system is syncer's own in each cluster" {
				t.Errorf("%s: %s: %s", rule, key, got)
			}
		}
	}
}

// The status of a custom resource is part of it where a rule says so, for that
// rule only.
func TestKeepStatus(t *testing.T) {
	const widgets = "apiVersion: syncer/v1alpha1\nkind: Policy\nmetadata: {name: shop}\nspec:\n  rules:\n" +
		"    - {resources: [widgets.example.com], where: 'has(object.status)', to: /seen/}\n"
	key := []byte("/registry/example.com/widgets/shop/w")
	value := []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop","uid":"0e1a"},"spec":{"size":3},"status":{"sold":7}}`)
	const bare = `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"size":3}`
	for rule, want := range map[string]string{
		`{resources: [widgets.example.com]}`:                                                             "rule 1: /kubernetes/widgets.example.com/shop/w = " + bare + "}",
		`{resources: [widgets.example.com, services], keepStatus: true}`:                                 "rule 1: /kubernetes/widgets.example.com/shop/w = " + bare + `,"status":{"sold":7}}`,
		`{resources: [widgets.example.com], keepStatus: true, where: "object.status.sold > 6"}`:          "rule 1: /kubernetes/widgets.example.com/shop/w = " + bare + `,"status":{"sold":7}}`,
		`{resources: [widgets.example.com], keepStatus: true, transform: [{dropFields: [status.sold]}]}`: "rule 1: /kubernetes/widgets.example.com/shop/w = " + bare + `,"status":{}}`,
	} {
		s := parsed(t, widgets+"    - "+rule+"\n")
		if got := take(s, key, value); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", rule, got, want)
		}
		before, keeps := string(s.Explain(key, value).Before), strings.Contains(rule, "keepStatus")
		if strings.Contains(before, "status") != keeps {
			t.Errorf("%s is explained with %s", rule, before)
		}
	}
	plain, keeps := parsed(t, widgets), parsed(t, strings.Replace(widgets, "where:", "keepStatus: true, where:", 1))
	if plain.Digest() == keeps.Digest() {
		t.Error("a channel would not notice that the status crosses")
	}
	service := []byte(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"shop"},"spec":{"ports":[{"port":80}]},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}`)
	s := parsed(t, widgets+"    - {resources: [widgets.example.com, services], keepStatus: true}\n")
	if got := take(s, []byte("/registry/services/specs/shop/s"), service); !strings.HasPrefix(got, "rule 1: ") || strings.Contains(got, "192.0.2.1") {
		t.Errorf("a Service crosses with its status: %s", got)
	}
}

const edgePolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  variables: {region: eu, ns: "store-${edge.name}"}
  rules:
    - prefix: /flags/${region}/
    - resources: [configmaps]
      namespaces: ["${ns}"]
      labels: "site=${edge.labels.site}"
      transform:
        - namespace: {from: "${ns}", to: store}
        - annotations: {add: {note: "$${plain}"}}
`

func TestFill(t *testing.T) {
	p := parsedPolicy(t, edgePolicy)
	if !p.PerEdge() || parsedPolicy(t, shopPolicy).PerEdge() {
		t.Error("it is not told which policy depends on the edge")
	}
	if _, err := Compile(p, DefaultCluster); err == nil || !strings.Contains(err.Error(), "no edge is named") {
		t.Errorf("compiled for no edge: %v", err)
	}
	if _, err := p.Fill(Edge{Name: "s1"}); err == nil || !strings.Contains(err.Error(), `edge s1 has no label "site"`) {
		t.Errorf("filled in without a label: %v", err)
	}
	filled, err := p.Fill(Edge{Name: "s1", Labels: map[string]string{"site": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	s := compiled(t, filled)
	key, value := configMap("store-s1", "a", "site=x")
	const want = `rule 1: /kubernetes/configmaps/store/a = {"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"annotations":{"note":"${plain}"},"labels":{"site":"x"},"name":"a","namespace":"store"}}`
	if got := take(s, key, value); got != want {
		t.Errorf("got %s", got)
	}
	if got := take(s, []byte("/flags/eu/a"), nil); got != "rule 0: /flags/eu/a = " {
		t.Errorf("got %s", got)
	}
	again, err := p.Fill(Edge{Name: "s1", Labels: map[string]string{"site": "x", "other": "y"}})
	if err != nil || compiled(t, again).Digest() != s.Digest() {
		t.Errorf("equal policies have other digests: %v", err)
	}
	other, err := p.Fill(Edge{Name: "s2", Labels: map[string]string{"site": "x"}})
	if err != nil || compiled(t, other).Digest() == s.Digest() {
		t.Errorf("other policies have one digest: %v", err)
	}
}

// A namespace whose name another one takes stays behind for good: no later rule
// takes it. What the rule does not select is left to the next one.
func TestTakenNames(t *testing.T) {
	s := parsed(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  rules:
    - resources: [configmaps]
      names: ["a*"]
      exceptNamespaces: [shop-edge]
      transform: [{namespace: {from: shop, to: shop-edge}}]
    - resources: [configmaps]
      namespaces: ["*-b"]
      to: /b/
      transform: [{namespace: {from: x-b, to: other}}]
    - prefix: /registry/configmaps/
      to: /raw/
`)
	for _, test := range []struct{ namespace, name, want string }{
		{"shop", "a", "rule 0: /kubernetes/configmaps/shop-edge/a"},
		{"shop-edge", "a", "left (0): its namespace stays behind"},
		{"shop-edge", "b", "rule 2: /raw/shop-edge/b"},
		{"x-b", "b", "rule 1: /b/configmaps/other/b"},
		{"y-b", "b", "rule 1: /b/configmaps/y-b/b"},
		{"other", "b", "rule 2: /raw/other/b"},
	} {
		key, value := configMap(test.namespace, test.name)
		if got, _, _ := strings.Cut(take(s, key, value), " = "); got != test.want {
			t.Errorf("%s: %s, want %s", key, got, test.want)
		}
	}
}
