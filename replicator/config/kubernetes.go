package config

import "github.com/syncer-io/syncer/filter/strictyaml"

// Kubernetes is how to reach a cluster's API server.
type Kubernetes struct {
	// Kubeconfig is a file with addresses and credentials. Default: the service
	// account of the pod that syncer runs in.
	Kubeconfig string `yaml:"kubeconfig"`
	// Context is one of the kubeconfig. Default its current-context.
	Context string `yaml:"context"`
}

func (k *Kubernetes) paths() []*string {
	if k == nil {
		return nil
	}
	return []*string{&k.Kubeconfig}
}

func checkKubernetes(doc *strictyaml.Document, k Kubernetes, path ...any) {
	if k.Context != "" && k.Kubeconfig == "" {
		doc.At(below(path, "context")...).Hint("add kubeconfig, or remove context to use the service account of the pod").
			Problemf("context is set, but there is no kubeconfig that it is of")
	}
	checkFile(doc.At(below(path, "kubeconfig")...), k.Kubeconfig)
}

// checkCluster wants a cluster of exactly one sort.
func checkCluster(doc *strictyaml.Document, c Cluster, path ...any) {
	if c.Kubernetes == nil {
		if c.Etcd.empty() && doc.Sound(below(path, "etcd")...) && doc.Sound(below(path, "kubernetes")...) {
			doc.At(below(path, "etcd")...).Hint("add etcd: {endpoints: [...]}, or kubernetes: {kubeconfig: FILE}").
				Problemf("there is no cluster to write to")
			return
		}
		checkEtcd(doc, c.Etcd, below(path, "etcd")...)
		return
	}
	if !c.Etcd.empty() {
		doc.At(below(path, "etcd")...).Hint("remove one of them").
			Problemf("target.etcd writes to an etcd, but target.kubernetes (%s) writes through an API server", doc.At(below(path, "kubernetes")...).Place())
	}
	checkKubernetes(doc, *c.Kubernetes, below(path, "kubernetes")...)
}

func (e Etcd) empty() bool {
	return len(e.Endpoints) == 0 && e.TLS == nil && e.User == "" && e.PasswordFile == ""
}
