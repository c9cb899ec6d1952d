package raw

import (
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter/object"
)

// usual are the built-in resources that are written when the writer is asked for
// and nothing more. Custom resources are too.
var usual = []string{"configmaps", "secrets"}

// never are resources that a policy may select and that are written past an API
// server under no circumstances, with what comes of it.
var never = map[string]string{
	"services":                             "they would never get an address: the API server gives one only to a Service that is created through it",
	"pods":                                 "a Pod has what admission adds, and one that names a node which the edge lacks is deleted",
	"jobs.batch":                           "they would have no selector: the API server makes one of the UID when a Job is created through it",
	"persistentvolumeclaims":               "a claim that names a volume which the edge lacks is lost for good",
	"workloads.scheduling.k8s.io":          unstable,
	"podgroups.scheduling.k8s.io":          unstable,
	"compositepodgroups.scheduling.k8s.io": unstable,
	"customresourcedefinitions.apiextensions.k8s.io": "what the API server checks in a definition decides whether all objects of it can be read",
}

const unstable = "their API is not stable, and an edge of another minor version may not know it"

// MayName tells whether target.rawResources may name a resource; the error says
// why not.
func MayName(word string) error {
	r, ok := object.Lookup(word)
	if !ok {
		return fmt.Errorf("%q is no resource", word)
	}
	if reason := neverBecause(r); reason != "" {
		return fmt.Errorf("%s are never written past an API server: %s", word, reason)
	}
	return nil
}

func neverBecause(r object.Resource) string {
	if r.Class == object.Deny {
		return r.Reason
	}
	return never[r.Word]
}

// allows is why objects of a resource are not written, nil when they are.
func (t *Target) allows(k object.Key) error {
	r, _ := object.Lookup(k.Word())
	if reason := neverBecause(r); reason != "" {
		return &object.Refusal{Reason: fmt.Sprintf("%s are never written past an API server: %s", r.Word, reason), Try: tryKubernetes}
	}
	if r.Custom || slices.Contains(usual, r.Word) || slices.Contains(t.further, r.Word) {
		return nil
	}
	return &object.Refusal{
		Reason: r.Word + " are not written past an API server unless they are named",
		Try:    tryKubernetes + ", or add \"" + r.Word + "\" to target.rawResources in edge.yaml and restart the importer",
	}
}

// keeps are resources whose objects are never deleted: everything in a namespace
// would stay behind, served and without a namespace.
func keeps(k object.Key) bool { return k.Word() == "namespaces" }

func (t *Target) names(word string) bool { return slices.Contains(t.further, word) }
