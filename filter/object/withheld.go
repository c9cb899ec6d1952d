package object

import (
	"fmt"
	"slices"
	"strings"
)

// SyncerNamespace is the namespace in which syncer keeps what is its own in a
// cluster.
const SyncerNamespace = "syncer-system"

// Objects that every cluster makes for itself.
var ownToEveryCluster = []Key{
	{Resource: "services", Namespace: "default", Name: "kubernetes", Namespaced: true},
	{Resource: "endpoints", Namespace: "default", Name: "kubernetes", Namespaced: true},
	{Group: "discovery.k8s.io", Resource: "endpointslices", Namespace: "default", Name: "kubernetes", Namespaced: true},
}

// Names that every namespace, or every cluster, has an own object of.
var ownToEveryNamespace = map[string][]string{
	"configmaps":      {"kube-root-ca.crt", "openshift-service-ca.crt"},
	"serviceaccounts": {"default"},
}

// What one cluster's control plane keeps under names of its own.
var reservedNames = map[string]string{
	"clusterroles.rbac.authorization.k8s.io":        "system:",
	"clusterrolebindings.rbac.authorization.k8s.io": "system:",
	"roles.rbac.authorization.k8s.io":               "system:",
	"rolebindings.rbac.authorization.k8s.io":        "system:",
	"priorityclasses.scheduling.k8s.io":             "system-",
}

var tokenTypes = []string{"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}

const (
	helmType   = "helm.sh/release.v1"
	helmName   = "sh.helm.release.v1."
	leaderNote = "control-plane.alpha.kubernetes.io/leader"
	bootstrap  = "kubernetes.io/bootstrapping"
	helmRecord = "it is the record of a Helm release of one cluster"
)

// Withheld reports whether the object crosses under no policy, and why. The
// zero Meta asks about the key alone: what is withheld by its key needs no
// value.
func Withheld(k Key, m Meta) (reason string, withheld bool) {
	word := k.Word()
	reason = withheldName(k, word)
	if reason == "" {
		reason = withheldMeta(k, m)
	}
	if reason == "" {
		reason = withheldKind(word, m)
	}
	return reason, reason != ""
}

func withheldName(k Key, word string) string {
	switch prefix := reservedNames[word]; {
	case k.Namespace == SyncerNamespace, word == "namespaces" && k.Name == SyncerNamespace:
		return "the namespace " + SyncerNamespace + " is syncer's own in each cluster"
	case slices.Contains(ownToEveryCluster, k):
		return "every cluster makes its own"
	case slices.Contains(ownToEveryNamespace[word], k.Name):
		return "every namespace has its own"
	case prefix != "" && strings.HasPrefix(k.Name, prefix):
		return fmt.Sprintf("names with %q are the control plane's own", prefix)
	case (word == "secrets" || word == "configmaps") && strings.HasPrefix(k.Name, helmName):
		return helmRecord
	}
	return ""
}

func withheldMeta(k Key, m Meta) string {
	if m.Controlled {
		return fmt.Sprintf("%s %s makes and keeps it", m.Controller.Kind, m.Controller.Name)
	}
	if _, ok := m.Annotation(leaderNote); ok {
		return "it is a lock of a leader election"
	}
	if k.Group == "rbac.authorization.k8s.io" && m.Get(bootstrap) == "rbac-defaults" {
		return "every API server makes its own"
	}
	return ""
}

func withheldKind(word string, m Meta) string {
	switch {
	case word == "secrets" && slices.Contains(tokenTypes, m.secretType):
		return fmt.Sprintf("a token of type %s is of no use, or dangerous, elsewhere", m.secretType)
	case word == "secrets" && m.secretType == helmType:
		return helmRecord
	case word == "leases.coordination.k8s.io" && m.holder != "":
		return "it is a lock that " + m.holder + " holds"
	}
	return ""
}
