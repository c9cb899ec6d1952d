package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// checkAccept wants lists that can be meant: an empty one would accept nothing.
func checkAccept(doc *strictyaml.Document, a Accept) {
	checkItems(doc, "prefixes", a.Prefixes, func(at strictyaml.Spot, prefix string) {
		if prefix == "" {
			at.Hint("leave prefixes out to accept every key").Problemf("an empty prefix accepts every key")
		}
	})
	checkItems(doc, "resources", a.Resources, func(at strictyaml.Spot, word string) {
		if _, known := object.Lookup(word); known {
			return
		}
		if better, ok := object.Suggest(word); ok {
			at = at.Hint("use %s", better)
		} else {
			at = at.Hint("name it as in a policy: configmaps, deployments.apps")
		}
		at.Problemf("%q is no resource", word)
	})
	checkItems(doc, "namespaces", a.Namespaces, func(at strictyaml.Spot, name string) {
		if len(validation.IsDNS1123Label(name)) > 0 {
			at.Hint("use lower-case letters, digits and inner hyphens, at most 63").Problemf("%q cannot be the name of a namespace", name)
		}
	})
	if i := slices.Index(a.Resources, "secrets"); i >= 0 && !a.Secrets {
		doc.At("accept", "resources", i).Hint("add secrets: true, or leave it out here").
			Problemf("accept.resources names secrets, which accept.secrets does not let in")
	}
}

func checkItems(doc *strictyaml.Document, field string, items []string, check func(at strictyaml.Spot, item string)) {
	if !doc.Sound("accept", field) {
		return
	}
	if items != nil && len(items) == 0 {
		doc.At("accept", field).Hint("leave %s out to accept everything", field).Problemf("an empty list accepts nothing")
	}
	for i, item := range items {
		check(doc.At("accept", field, i), item)
	}
}
