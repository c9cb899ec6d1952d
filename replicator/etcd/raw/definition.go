package raw

import (
	"slices"

	"github.com/syncer-io/syncer/filter/object"
)

const tryDefinition = "apply the definition at the edge through its API server; then syncer parked retry"

// isKnown refuses custom resources that the edge's definition cannot decode: a
// version that is not in it, or that no object may be stored in.
func (o *objectChange) isKnown(intent map[string]any) verdict {
	at, custom := definitionOf(o.k)
	if !custom {
		return verdict{}
	}
	value := o.value(o.t.stored(at))
	if value == nil {
		return waiting(tryDefinition, "the edge has no definition of %s", o.k.Word())
	}
	read, err := object.Decode(at, value)
	if err != nil {
		reason, _ := words(err)
		return waiting(tryKubernetes, "the edge's definition of %s cannot be read: %s", o.k.Word(), reason)
	}
	d := definition(read.Fields())
	group, version := splitVersion(text(intent, "apiVersion"))
	switch kind := text(intent, "kind"); {
	case d.text("metadata", "deletionTimestamp") != "":
		return waiting(tryDefinition, "the edge is deleting the definition of %s", o.k.Word())
	case d.text("spec", "group") != group || d.text("spec", "names", "kind") != kind:
		return no(tryDefinition, "the edge's definition of %s is about the kind %s", o.k.Word(), d.text("spec", "names", "kind"))
	case (d.text("spec", "scope") == "Namespaced") != o.k.Namespaced:
		return no(tryDefinition, "the edge's definition of %s has the scope %s", o.k.Word(), d.text("spec", "scope"))
	case !d.stores(version):
		return no(tryDefinition+", or "+tryKubernetes, "the edge stores no %s in version %s, and cannot convert what is written past its API server", o.k.Word(), version)
	}
	return verdict{}
}

// splitVersion is example.com and v1 of example.com/v1.
func splitVersion(apiVersion string) (group, version string) {
	for i := len(apiVersion) - 1; i >= 0; i-- {
		if apiVersion[i] == '/' {
			return apiVersion[:i], apiVersion[i+1:]
		}
	}
	return "", apiVersion
}

type definition map[string]any

func (d definition) text(path ...string) string { return text(d, path...) }

// stores reports whether objects are, or may still be, stored in a version.
func (d definition) stores(version string) bool {
	status, _ := d["status"].(map[string]any)
	stored, _ := status["storedVersions"].([]any)
	spec, _ := d["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	return slices.ContainsFunc(versions, func(e any) bool {
		v, _ := e.(map[string]any)
		storage, _ := v["storage"].(bool)
		return v["name"] == version && (storage || slices.Contains(stored, any(version)))
	})
}
