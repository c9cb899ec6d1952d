package e2e

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	objects "github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/status"
)

const immutablePolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: anew
      resources: [configmaps, pods, deployments.apps, rolebindings.rbac.authorization.k8s.io]
      namespaces: [later]
      onImmutable: recreate
    - {name: held, resources: [configmaps], namespaces: [shop]}
    - {name: cluster, resources: [namespaces], names: [shop, later]}
`

// fix stores objects of which a field cannot be changed in place once they are
// there, with a value in that field.
func (l *live) fix(value string) {
	l.t.Helper()
	for _, namespace := range []string{"later", "shop"} {
		key, o := setting(namespace, "fixed", value)
		o["immutable"] = true
		l.store(key, o)
	}
	binding := objectOf("rbac.authorization.k8s.io/v1", "RoleBinding", "later", "bound")
	binding["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "role-" + value}
	binding["subjects"] = []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}}
	l.store(objects.Key{Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Namespace: "later", Name: "bound", Namespaced: true}, binding)
	pod := objectOf("v1", "Pod", "later", "alone")
	pod["spec"] = map[string]any{"hostname": "pod-" + value, "containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:1"}}}
	l.store(objects.Key{Resource: "pods", Namespace: "later", Name: "alone", Namespaced: true}, pod)
	labels := map[string]any{"app": "web-" + value}
	web := objectOf("apps/v1", "Deployment", "later", "web")
	web["spec"] = map[string]any{
		"replicas": 1, "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:1"}}},
		},
	}
	l.store(objects.Key{Group: "apps", Resource: "deployments", Namespace: "later", Name: "web", Namespaced: true}, web)
}

// A field that cannot be changed in place follows the policy: the change waits,
// or the object is deleted and made anew.
func TestImmutableFieldsOfALiveClusterFollowThePolicy(t *testing.T) {
	t.Parallel()
	l := newLive(t, immutablePolicy)
	for _, name := range []string{"shop", "later"} {
		l.store(objects.Key{Resource: "namespaces", Name: name}, objectOf("v1", "Namespace", "", name))
	}
	l.fix("1")
	l.startExporter()
	l.startImporter()
	l.report("is in sync", in(status.InSync))
	anew := map[string][]string{
		"configmaps fixed": {"data", "a"}, "rolebindings.rbac.authorization.k8s.io bound": {"roleRef", "name"},
		"pods alone":           {"spec", "hostname"},
		"deployments.apps web": {"spec", "selector", "matchLabels", "app"},
	}
	uids := map[string]string{}
	for what := range anew {
		word, name, _ := strings.Cut(what, " ")
		uids[what] = string(l.at(word, "later", name).GetUID())
	}
	l.fix("2")
	l.report("is degraded", waits(1, status.Rejected, "immutable"))
	for what, path := range anew {
		word, name, _ := strings.Cut(what, " ")
		l.until(what+" is made anew", func() bool {
			u := l.at(word, "later", name)
			return u != nil && string(u.GetUID()) != uids[what] && strings.HasSuffix(textAt(u, path...), "2")
		})
	}
	if !l.says("configmaps", "shop", "fixed", "1") {
		t.Error("the other one was not left alone")
	}
}

func textAt(u *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(u.Object, path...)
	return text
}
