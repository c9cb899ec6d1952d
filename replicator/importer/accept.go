package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
)

// Accept is what the edge lets be written to its target, whatever the channel
// delivers. A list that is empty accepts everything.
//
// Resources and namespaces are those of Kubernetes objects, which are told by
// their keys and by their values. Where the two do not agree, both have to be
// accepted. What is no object is accepted by its key alone.
type Accept struct {
	Secrets    bool
	Prefixes   []string // of keys at the target
	Resources  []string // words of object.Resource
	Namespaces []string // objects without one are not judged by it
}

// unwanted says what is not accepted, and which line of edge.yaml changes that.
type unwanted struct{ what, try string }

const secrets = "secrets"

// terms tell one Accept from another.
func (x Accept) terms() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%t %q %q %q", x.Secrets, x.Prefixes, x.Resources, x.Namespaces) // a hash never fails to write
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// refuses is why a change is not accepted, nil when it is. A released key is not
// written; of a delete only the key tells anything.
func (x Accept) refuses(c change.Change) *unwanted {
	if c.Op == change.Put && change.IsReleased(c.Value) {
		return nil
	}
	if len(x.Prefixes) > 0 && !slices.ContainsFunc(x.Prefixes, func(p string) bool { return bytes.HasPrefix(c.Key, []byte(p)) }) {
		return &unwanted{"keys outside the prefixes that this edge accepts", remedy("prefixes", folder(string(c.Key)))}
	}
	if o, ok := objectOfKey(c.Key); ok {
		if u := x.refusesObject(o); u != nil {
			return u
		}
	}
	if c.Op != change.Put {
		return nil
	}
	return x.refusesValue(c.Value)
}

func (x Accept) refusesPut(kv change.KV) bool {
	return x.refuses(change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value}) != nil
}

// folder is a key up to its last slash.
func folder(key string) string {
	if i := strings.LastIndexByte(key, '/'); i > 0 {
		return key[:i+1]
	}
	return key
}

func remedy(list, item string) string {
	return fmt.Sprintf("add %q to accept.%s in edge.yaml and restart the importer", item, list)
}

// kubeObject is what a key or a value tells of an object.
type kubeObject struct{ word, namespace string }

func (x Accept) refusesObject(o kubeObject) *unwanted {
	switch {
	case o.word == secrets && !x.Secrets:
		return &unwanted{"Secrets, which this edge does not accept", "write accept: {secrets: true} in edge.yaml and restart the importer"}
	case len(x.Resources) > 0 && !slices.Contains(x.Resources, o.word):
		return &unwanted{o.word + ", which this edge does not accept", remedy("resources", o.word)}
	case len(x.Namespaces) > 0 && o.namespace != "" && !slices.Contains(x.Namespaces, o.namespace):
		return &unwanted{"objects of namespace " + o.namespace + ", which this edge does not accept", remedy("namespaces", o.namespace)}
	}
	return nil
}

// objectOfKey reads the key of a delivered object, or that of a stored one that
// is copied as it is.
func objectOfKey(key []byte) (kubeObject, bool) {
	if rest, ok := bytes.CutPrefix(key, []byte(filter.ObjectPrefix)); ok {
		word, rest, _ := strings.Cut(string(rest), "/")
		if _, known := object.Lookup(word); known {
			return placed(word, rest), true
		}
	}
	if !bytes.HasPrefix(key, []byte(filter.DefaultCluster.Prefix)) {
		return kubeObject{}, false // most keys of no cluster; a refusal in words costs more
	}
	k, err := object.ParseKey(filter.DefaultCluster.Prefix, key)
	return inNamespaceOf(k.Word(), k.Namespace, k.Name), err == nil
}

func placed(word, rest string) kubeObject {
	namespace, name, two := strings.Cut(rest, "/")
	if !two {
		namespace, name = "", rest
	}
	return inNamespaceOf(word, namespace, name)
}

// inNamespaceOf takes a namespace for a part of itself.
func inNamespaceOf(word, namespace, name string) kubeObject {
	if word == "namespaces" {
		namespace = name
	}
	return kubeObject{word, namespace}
}

// refusesValue looks into a value, if there is anything that it may be refused
// for.
func (x Accept) refusesValue(value []byte) *unwanted {
	if !x.looksInto(value) {
		return nil
	}
	m, err := object.ReadMeta(value)
	switch {
	case !x.Secrets && (err != nil && mayBeObject(value) || err == nil && tellsOfSecrets(value) && otherwiseSpelled(value)):
		return &unwanted{"objects that cannot be read and may be Secrets, which this edge does not accept",
			"leave them out of the policy, or write accept: {secrets: true} in edge.yaml and restart the importer"}
	case err == nil && m.Kind != "" && m.APIVersion != "":
		return x.refusesObject(inNamespaceOf(wordOf(m.APIVersion, m.Kind), m.Namespace, m.Name))
	}
	return nil
}

// otherwiseSpelled reports whether a JSON object says what it is under names
// like Kind: readers that ignore case take them, and we do not.
func otherwiseSpelled(value []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return false
	}
	for name, value := range fields {
		switch {
		case name != "kind" && strings.EqualFold(name, "kind"):
			if tellsOfSecrets(value) {
				return true
			}
		case name != "apiVersion" && strings.EqualFold(name, "apiVersion"):
			return true
		}
	}
	return false
}

// The encodings of stored objects besides JSON.
var encodings = [][]byte{[]byte("k8s\x00"), []byte("k8s:enc:"), {0xd9, 0xd9, 0xf7}}

func encoded(value []byte) bool {
	return slices.ContainsFunc(encodings, func(magic []byte) bool { return bytes.HasPrefix(value, magic) })
}

// looksInto is quick: most values that are no objects are told by their first
// bytes, and most that are no Secrets by not naming their kind. JSON can hide a
// name behind an escape.
func (x Accept) looksInto(value []byte) bool {
	if encoded(value) {
		return true
	}
	if !bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) {
		return false
	}
	return len(x.Resources)+len(x.Namespaces) > 0 || !x.Secrets && tellsOfSecrets(value)
}

func tellsOfSecrets(value []byte) bool {
	return bytes.Contains(value, []byte("Secret")) || bytes.Contains(value, []byte(`\u`))
}

// mayBeObject reports whether somebody else may read a value that we cannot,
// such as one that says its kind twice.
func mayBeObject(value []byte) bool { return encoded(value) || json.Valid(value) }

// words are those of the built-in resources, by kind and group.
var words = sync.OnceValue(func() map[schema.GroupKind]string {
	out := map[schema.GroupKind]string{}
	for _, r := range object.Resources() {
		out[schema.GroupKind{Group: r.Group, Kind: r.Kind}] = r.Word
	}
	return out
})

// wordOf is the word of a resource. That of a custom one is a guess, by the
// rule that nearly all of them follow.
func wordOf(apiVersion, kind string) string {
	group, version, two := strings.Cut(apiVersion, "/")
	if !two {
		group, version = "", apiVersion
	}
	if word, ok := words()[schema.GroupKind{Group: group, Kind: kind}]; ok {
		return word
	}
	plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
	return plural.GroupResource().String()
}
