package object

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Class is how a policy comes to select a resource.
type Class int

// The classes. OptIn and Deny are selected only by a rule that names the
// resource; Deny has a reason why that is seldom right.
const (
	Allow Class = iota
	OptIn
	Deny
)

func (c Class) String() string { return [...]string{"allow", "opt-in", "deny"}[c] }

// Resource is one row of the table of built-in resources, or a custom
// resource.
type Resource struct {
	Word   string // "configmaps", "deployments.apps": how policies name it
	Group  string // "" is the core group
	Plural string
	Kind   string // "" for a custom resource: only its definition knows
	// Namespaced is meaningless for a custom resource, whose keys tell.
	Namespaced bool
	// StoragePrefix is the part of the key between the etcd prefix and the
	// namespace or name, without slashes at its ends.
	StoragePrefix string
	Class         Class
	Reason        string // why it is denied; "" for other classes
	Custom        bool

	version string // the one that API servers store and serve
}

// Version is the version of a built-in resource that this package reads; "" for
// a custom resource, of which it reads every version.
func (r Resource) Version() string { return r.version }

// Lookup finds a resource by its word: the plural, and for a group other than
// core a dot and the group. A dotted group without built-in resources is one
// of custom resources. The word is taken literally; see Suggest for near ones.
func Lookup(word string) (Resource, bool) {
	if r, ok := byWord[word]; ok {
		return *r, true
	}
	plural, group, _ := strings.Cut(word, ".")
	if reversed[word] != nil || !CustomGroup(group) || len(validation.IsDNS1035Label(plural)) > 0 {
		return Resource{}, false
	}
	return custom(group, plural), true
}

// CustomGroup reports whether a policy may take this for a group of custom
// resources: a domain with a dot, none of whose resources are built in.
func CustomGroup(group string) bool {
	return strings.Contains(group, ".") && !builtInGroup[group] && len(validation.IsDNS1123Subdomain(group)) == 0
}

// Resources are the built-in resources, sorted by word.
func Resources() []Resource { return slices.Clone(sorted) }

// Words are the words of the built-in resources, sorted.
func Words() []string {
	words := make([]string, len(sorted))
	for i, r := range sorted {
		words[i] = r.Word
	}
	return words
}

// Suggest gives the built-in resource that somebody means who writes its kind,
// its singular, its short name or its plural without the group or after it, in
// any case.
func Suggest(word string) (known string, ok bool) {
	word = strings.ToLower(word)
	if r := reversed[word]; r != nil {
		return r.Word, true
	}
	word, _, _ = strings.Cut(word, ".")
	for _, r := range sorted {
		if word == r.Plural || word == strings.ToLower(r.Kind) || slices.Contains(shortNames[r.Plural], word) {
			return r.Word, true
		}
	}
	return "", false
}

// shortNames are those of kubectl, by plural.
var shortNames = map[string][]string{
	"certificatesigningrequests": {"csr"}, "configmaps": {"cm"}, "cronjobs": {"cj"},
	"customresourcedefinitions": {"crd", "crds"}, "daemonsets": {"ds"}, "deployments": {"deploy"},
	"endpoints": {"ep"}, "events": {"ev"}, "horizontalpodautoscalers": {"hpa"}, "ingresses": {"ing"},
	"ipaddresses": {"ip"}, "limitranges": {"limits"}, "namespaces": {"ns"}, "networkpolicies": {"netpol"},
	"nodes": {"no"}, "persistentvolumeclaims": {"pvc"}, "persistentvolumes": {"pv"},
	"poddisruptionbudgets": {"pdb"}, "pods": {"po"}, "priorityclasses": {"pc"}, "replicasets": {"rs"},
	"replicationcontrollers": {"rc"}, "resourcequotas": {"quota"}, "serviceaccounts": {"sa"},
	"services": {"svc"}, "statefulsets": {"sts"}, "storageclasses": {"sc"}, "volumeattributesclasses": {"vac"},
}

func custom(group, plural string) Resource {
	return Resource{
		Word: plural + "." + group, Group: group, Plural: plural,
		StoragePrefix: group + "/" + plural, Class: OptIn, Custom: true,
	}
}
