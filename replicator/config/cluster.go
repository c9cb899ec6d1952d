package config

import (
	"fmt"
	"os"
	"strings"
)

// Cluster is the cluster that an importer writes to: exactly one of the two.
type Cluster struct {
	// Etcd is an etcd that is written to itself.
	Etcd Etcd `yaml:"etcd"`
	// Writer says how delivered Kubernetes objects are written to Etcd. "raw"
	// writes them where an API server on that etcd keeps its objects, past that
	// server: no admission, validation or audit applies. Default: under their
	// delivered keys, as they are, which no API server reads.
	Writer string `yaml:"writer"`
	// KubernetesPrefix is the --etcd-prefix of the API server on Etcd. Default
	// /registry.
	KubernetesPrefix string `yaml:"kubernetesPrefix"`
	// RawResources are resources that writer: raw writes beside configmaps,
	// secrets and custom resources, named as in policies. Some are never written
	// that way, such as services. Naming secrets says that the API server does not
	// encrypt them. Default none.
	RawResources []string `yaml:"rawResources"`
	// Kubernetes is a cluster that is written to through its API server. {} is
	// the one of the pod that syncer runs in.
	Kubernetes *Kubernetes `yaml:"kubernetes"`
}

// Source is the cluster that an exporter reads from: its etcd, its API server, or
// both.
type Source struct {
	// Etcd is the cluster's etcd. Default none: then all is read through the API
	// server, which tells of a change one to two seconds later.
	Etcd Etcd `yaml:"etcd"`
	// Kubernetes is the cluster's API server, for policies with resources. Beside
	// etcd it is read for values that are encrypted at rest only. Default none.
	Kubernetes *SourceKubernetes `yaml:"kubernetes"`
	// KubernetesPrefix is the --etcd-prefix of the cluster's API server, for
	// policies with resources. Default /registry.
	KubernetesPrefix string `yaml:"kubernetesPrefix"`
}

// Etcd is how to reach an etcd cluster.
type Etcd struct {
	// Endpoints are URLs of its members, http or https, with a port. At least
	// one is required, and all have the same scheme.
	Endpoints []string `yaml:"endpoints"`
	// TLS is how to trust https endpoints, which need it; {} trusts the roots
	// of the system. Default none.
	TLS *TLS `yaml:"tls"`
	// User is the name for etcd's authentication. Default none.
	User string `yaml:"user"`
	// PasswordFile is a file with the password of User; a line break at its
	// end is ignored. Required with User.
	PasswordFile string `yaml:"passwordFile"`
}

// Password reads the password file; it is "" when there is none. The file is
// read at every call, so a changed password is found by reconnecting.
func (e Etcd) Password() (string, error) {
	if e.PasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(e.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading the password of etcd user %q: %w", e.User, err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
