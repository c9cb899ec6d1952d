package manifest_test

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/manifest"
)

func TestStored(t *testing.T) {
	for _, c := range []struct{ name, data, key, value string }{
		{"", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: shop}\n", "/registry/configmaps/shop/app", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"app","namespace":"shop"}}`},
		{"", `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}`, "/registry/deployments/shop/web", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}`},
		{"", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", "/registry/namespaces/shop", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`},
		{"widgets.example.com/shop/w", "kind: Widget\n", "/registry/example.com/widgets/shop/w", `{"kind":"Widget"}`},
		{"widgets.example.com/w", "kind: Widget\n", "/registry/example.com/widgets/w", `{"kind":"Widget"}`},
		{"/registry/configmaps/shop/app", "kind: ConfigMap\n", "/registry/configmaps/shop/app", `{"kind":"ConfigMap"}`},
		{"/flags/a", "kind: ConfigMap\n", "/flags/a", "kind: ConfigMap\n"},
		{"configmaps/shop/app", "k8s\x00\x0a", "/registry/configmaps/shop/app", "k8s\x00\x0a"},
		{"configmaps/shop/app", "k8s:enc:aescbc", "/registry/configmaps/shop/app", "k8s:enc:aescbc"},
	} {
		key, value, err := manifest.Stored("object.yaml", []byte(c.data), c.name, "/registry")
		if string(key) != c.key || string(value) != c.value || err != nil {
			t.Errorf("%s %q: got %s, %s, %v", c.name, c.data, key, value, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"", "kind: Widget\napiVersion: example.com/v1\n", "object.yaml: Widget of example.com/v1 is no built-in kind"},
		{"", "a: 1\n", "object.yaml: the object has no kind"},
		{"", "[]\n", "object.yaml holds no object"},
		{"", "kind: ConfigMap\n---\nkind: ConfigMap\n", "object.yaml:3:1: a second document"},
		{"", "kind: ConfigMap\ndata: {a: yes}\n", `object.yaml:2:11: "a" is yes, which is true to some YAML readers`},
		{"", "k8s\x00\x0a", "nothing says which object it is"},
		{"configmaps/app", "kind: ConfigMap\n", "configmaps are in a namespace"},
		{"namespaces/x/app", "kind: Namespace\n", "namespaces are in no namespace"},
		{"configmaps//app", "kind: ConfigMap\n", `"configmaps//app" does not name an object`},
		{"deployment/shop/web", "kind: Deployment\n", `there is no resource "deployment"`},
	} {
		_, _, err := manifest.Stored("object.yaml", []byte(c.data), c.name, "/registry")
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, want %s", c.name, c.data, err, c.want)
		}
	}
}
