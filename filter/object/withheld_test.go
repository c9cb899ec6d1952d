package object

import (
	"strings"
	"testing"
)

func TestWithheld(t *testing.T) {
	controlled := `"ownerReferences":[{"kind":"Team","name":"a"},{"kind":"ReplicaSet","name":"web-1","controller":true}]`
	for _, test := range []struct{ word, namespace, name, value, want string }{
		{"pods", "shop", "web-1-x", `{"metadata":{` + controlled + `}}`, "ReplicaSet web-1 makes and keeps it"},
		{"widgets.example.com", "shop", "a", `{"metadata":{` + controlled + `}}`, "ReplicaSet web-1"},
		{"pods", "shop", "bare", `{"metadata":{"ownerReferences":[{"kind":"Team","name":"a"}]}}`, ""},
		{"configmaps", "shop", "kube-root-ca.crt", `{}`, "every namespace has its own"},
		{"configmaps", "shop", "openshift-service-ca.crt", `{}`, "every namespace has its own"},
		{"secrets", "shop", "kube-root-ca.crt", `{}`, ""},
		{"serviceaccounts", "shop", "default", `{}`, "every namespace has its own"},
		{"serviceaccounts", "shop", "app", `{}`, ""},
		{"services", "default", "kubernetes", `{}`, "every cluster makes its own"},
		{"services", "shop", "kubernetes", `{}`, ""},
		{"endpointslices.discovery.k8s.io", "default", "kubernetes", `{}`, "every cluster makes its own"},
		{"configmaps", "syncer-system", "cursor.cloud.shop", `{}`, "syncer's own in each cluster"},
		{"serviceaccounts", "syncer-system", "syncer", `{}`, "syncer's own in each cluster"},
		{"widgets.example.com", "syncer-system", "a", `{}`, "syncer's own in each cluster"},
		{"namespaces", "", "syncer-system", `{}`, "syncer's own in each cluster"},
		{"namespaces", "", "shop", `{}`, ""},
		{"configmaps", "shop", "syncer-system", `{}`, ""},
		{"widgets.example.com", "", "syncer-system", `{}`, ""},
		{"secrets", "shop", "app-token", `{"type":"kubernetes.io/service-account-token"}`, "kubernetes.io/service-account-token"},
		{"secrets", "kube-system", "bootstrap-token-x", `{"type":"bootstrap.kubernetes.io/token"}`, "bootstrap.kubernetes.io/token"},
		{"secrets", "shop", "sh.helm.release.v1.shop.v1", `{}`, "Helm release"},
		{"secrets", "shop", "renamed", `{"type":"helm.sh/release.v1"}`, "Helm release"},
		{"configmaps", "shop", "sh.helm.release.v1.shop.v1", `{}`, "Helm release"},
		{"secrets", "shop", "app", `{"type":"Opaque"}`, ""},
		{"widgets.example.com", "shop", "a", `{"type":"helm.sh/release.v1"}`, ""},
		{"configmaps", "shop", "lock", `{"metadata":{"annotations":{"control-plane.alpha.kubernetes.io/leader":"{}"}}}`, "leader election"},
		{"leases.coordination.k8s.io", "shop", "lock", `{"spec":{"holderIdentity":"n1"}}`, "a lock that n1 holds"},
		{"leases.coordination.k8s.io", "shop", "free", `{"spec":{}}`, ""},
		{"clusterroles.rbac.authorization.k8s.io", "", "system:node", `{}`, `names with "system:"`},
		{"clusterroles.rbac.authorization.k8s.io", "", "admin", `{"metadata":{"labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}}}`, "every API server makes its own"},
		{"clusterroles.rbac.authorization.k8s.io", "", "mine", `{}`, ""},
		{"roles.rbac.authorization.k8s.io", "shop", "system:x", `{}`, `names with "system:"`},
		{"priorityclasses.scheduling.k8s.io", "", "system-node-critical", `{}`, `names with "system-"`},
		{"priorityclasses.scheduling.k8s.io", "", "high", `{}`, ""},
	} {
		m, err := ReadMeta([]byte(test.value))
		if err != nil {
			t.Fatal(err)
		}
		k := keyOf(t, test.word, test.namespace, test.name)
		reason, withheld := Withheld(k, m)
		if withheld != (test.want != "") || !strings.Contains(reason, test.want) {
			t.Errorf("%s %s: %q, %v; want %q", k, test.value, reason, withheld, test.want)
		}
	}
}

func TestWithheldOfStoredValues(t *testing.T) {
	if reason, _ := Withheld(keyOf(t, "pods", "shop", "web"), metaOf(t, inProtobuf(t, pod("shop", "web")))); !strings.Contains(reason, "ReplicaSet web-1") {
		t.Error(reason)
	}
	if reason, _ := Withheld(keyOf(t, "leases.coordination.k8s.io", "shop", "l"), metaOf(t, inProtobuf(t, lease("shop", "l")))); !strings.Contains(reason, "n1") {
		t.Error(reason)
	}
}

func TestAnOwnerThatDoesNotControlWithholdsNothing(t *testing.T) {
	p := pod("shop", "web")
	for _, controls := range []*bool{nil, ptr(false)} {
		p.OwnerReferences[1].Controller = controls
		for encoding, value := range encodings(t, p) {
			if reason, withheld := Withheld(keyOf(t, "pods", "shop", "web"), metaOf(t, value)); withheld {
				t.Errorf("%s: %s", encoding, reason)
			}
		}
	}
}

func metaOf(tb testing.TB, value []byte) Meta {
	tb.Helper()
	m, err := ReadMeta(value)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}
