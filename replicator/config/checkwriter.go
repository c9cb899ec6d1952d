package config

import (
	"strings"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/etcd/raw"
)

// WriterRaw writes objects past the API server of an etcd.
const WriterRaw = "raw"

// checkWriter wants a writer that there is, for an etcd, with resources that it
// may write.
func checkWriter(doc *strictyaml.Document, c Cluster, path ...any) {
	at := func(field ...any) strictyaml.Spot { return doc.At(below(path, field...)...) }
	if p := c.KubernetesPrefix; !strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") {
		at("kubernetesPrefix").Hint("write it as /registry").Problemf("%q is not the prefix of an API server's keys", p)
	}
	switch {
	case c.Writer != "" && c.Writer != WriterRaw:
		at("writer").Hint("use raw, or leave it out").Problemf("there is no writer %q", c.Writer)
	case c.Writer != "" && c.Kubernetes != nil:
		at("writer").Hint("remove writer: an API server needs none").Problemf("writer is for target.etcd, and target.kubernetes (%s) writes through an API server", at("kubernetes").Place())
	case c.Writer == "" && len(c.RawResources) > 0:
		at("rawResources").Hint("add writer: raw, or remove rawResources").Problemf("rawResources are for writer: raw")
	}
	for i, word := range c.RawResources {
		spot := at("rawResources", i)
		if _, known := object.Lookup(word); !known {
			if better, ok := object.Suggest(word); ok {
				spot = spot.Hint("use %s", better)
			} else {
				spot = spot.Hint("name it as in a policy: serviceaccounts, deployments.apps")
			}
		} else {
			spot = spot.Hint("use target.kubernetes for it")
		}
		if err := raw.MayName(word); err != nil {
			spot.Problemf("%v", err)
		}
	}
}
