package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/syncer-io/syncer/filter"
)

// Marshal writes the file that LoadImporter reads, with comments for the
// people who open it. Paths are written as they are; tuning fields only when
// they differ from the default.
func (i *Importer) Marshal() []byte {
	var w writer
	w.line(0, "# How this edge receives its part of %q; read by `syncer import -c`.", i.Source)
	w.line(0, "apiVersion: %s", APIVersion)
	w.line(0, "kind: %s", KindImporter)
	w.line(0, "")
	w.line(0, "# Agreed when the edge was paired; changing them breaks the pairing.")
	w.field(0, "name", i.Name)
	w.field(0, "source", i.Source)
	w.field(0, "channel", i.Channel)
	w.line(0, "")
	w.line(0, "# Where changes come from.")
	w.line(0, "hub:")
	w.field(1, "url", i.Hub.URL)
	w.optional(1, "credentials", i.Hub.Credentials)
	w.tls(1, i.Hub.TLS)
	w.line(0, "")
	w.line(0, "# Where changes go.")
	w.line(0, "target:")
	w.cluster(1, i.Target)
	i.marshalAccept(&w)
	w.line(0, "")
	w.line(0, "# Received and not applied yet. Losing it costs time, never data.")
	w.field(0, "dataDir", i.DataDir)
	i.marshalTuning(&w)
	return []byte(w.text.String())
}

func (i *Importer) marshalAccept(w *writer) {
	w.line(0, "")
	w.line(0, "# What may be written there, whatever is delivered: prefixes, resources and")
	w.line(0, "# namespaces can be listed, and everything else waits.")
	w.line(0, "accept:")
	w.line(1, "secrets: %t", i.Accept.Secrets)
	w.list(1, "prefixes", i.Accept.Prefixes)
	w.list(1, "resources", i.Accept.Resources)
	w.list(1, "namespaces", i.Accept.Namespaces)
}

func (i *Importer) marshalTuning(w *writer) {
	if b := i.Inbox.MaxBytes; b != 0 && b != DefaultInboxMaxBytes {
		w.line(0, "inbox:")
		w.line(1, "maxBytes: %v", b)
	}
	if i.Metrics.Listen != "" {
		w.line(0, "metrics:")
		w.field(1, "listen", i.Metrics.Listen)
	}
}

// writer writes YAML line by line.
type writer struct {
	text strings.Builder
}

func (w *writer) line(depth int, format string, args ...any) {
	w.text.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.text, format, args...)
	w.text.WriteByte('\n')
}

// field quotes its value: a name like 1e3 is then still text.
func (w *writer) field(depth int, name, value string) {
	w.line(depth, "%s: %s", name, strconv.Quote(value))
}

func (w *writer) optional(depth int, name, value string) {
	if value != "" {
		w.field(depth, name, value)
	}
}

func (w *writer) list(depth int, name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.line(depth, "%s:", name)
	for _, v := range values {
		w.line(depth+1, "- %s", strconv.Quote(v))
	}
}

func (w *writer) cluster(depth int, c Cluster) {
	switch k := c.Kubernetes; {
	case k == nil:
		w.etcd(depth, c.Etcd)
		if c.KubernetesPrefix != filter.DefaultCluster.Prefix {
			w.optional(depth, "kubernetesPrefix", c.KubernetesPrefix)
		}
		w.optional(depth, "writer", c.Writer)
		w.list(depth, "rawResources", c.RawResources)
	case *k == (Kubernetes{}):
		w.line(depth, "kubernetes: {} # the cluster of the pod that this runs in")
	default:
		w.line(depth, "kubernetes:")
		w.optional(depth+1, "kubeconfig", k.Kubeconfig)
		w.optional(depth+1, "context", k.Context)
	}
}

func (w *writer) etcd(depth int, e Etcd) {
	w.line(depth, "etcd:")
	w.list(depth+1, "endpoints", e.Endpoints)
	w.tls(depth+1, e.TLS)
	w.optional(depth+1, "user", e.User)
	w.optional(depth+1, "passwordFile", e.PasswordFile)
}

func (w *writer) tls(depth int, t *TLS) {
	if t == nil {
		return
	}
	if *t == (TLS{}) {
		w.line(depth, "tls: {} # trusts the roots of the system")
		return
	}
	w.line(depth, "tls:")
	w.optional(depth+1, "ca", t.CA)
	w.optional(depth+1, "cert", t.Cert)
	w.optional(depth+1, "key", t.Key)
	w.optional(depth+1, "serverName", t.ServerName)
	if t.InsecureSkipVerify {
		w.line(depth+1, "insecureSkipVerify: true")
	}
}
