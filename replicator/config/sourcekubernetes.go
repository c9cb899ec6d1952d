package config

import (
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// SourceKubernetes is an API server that is read from.
type SourceKubernetes struct {
	// Kubeconfig is a file with addresses and credentials. Default: the service
	// account of the pod that syncer runs in.
	Kubeconfig string `yaml:"kubeconfig"`
	// Context is one of the kubeconfig. Default its current-context.
	Context string `yaml:"context"`
	// Resources are those that are read through the API server, named as in
	// policies; the account needs no rights for others. Default all that the
	// policies select.
	Resources []string `yaml:"resources"`
}

// Access is how to reach the API server.
func (k SourceKubernetes) Access() Kubernetes {
	return Kubernetes{Kubeconfig: k.Kubeconfig, Context: k.Context}
}

func (k *SourceKubernetes) paths() []*string {
	if k == nil {
		return nil
	}
	return []*string{&k.Kubeconfig}
}

// HasEtcd reports whether the etcd of the source is read.
func (s Source) HasEtcd() bool { return !s.Etcd.empty() }

// checkSource wants something to read from.
func checkSource(doc *strictyaml.Document, s Source) {
	if p := s.KubernetesPrefix; !strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") {
		doc.At("source", "kubernetesPrefix").Hint("write it as /registry").
			Problemf("%q is not the prefix of an API server's keys", p)
	}
	if s.Kubernetes == nil {
		checkEtcd(doc, s.Etcd, "source", "etcd")
		return
	}
	if s.HasEtcd() || !doc.Sound("source", "etcd") {
		checkEtcd(doc, s.Etcd, "source", "etcd")
	}
	checkKubernetes(doc, s.Kubernetes.Access(), "source", "kubernetes")
	for i, word := range s.Kubernetes.Resources {
		if _, known := object.Lookup(word); known {
			continue
		}
		at := doc.At("source", "kubernetes", "resources", i)
		if better, ok := object.Suggest(word); ok {
			at = at.Hint("use %s", better)
		} else {
			at = at.Hint("name it as in a policy: secrets, deployments.apps")
		}
		at.Problemf("there is no resource %q", word)
	}
}
