// Package manifest makes of objects as people write them what the etcd of a
// cluster holds, for commands and tests that ask a policy about an object that
// is not stored anywhere.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Stored is the key and value of an object as the etcd of a cluster with
// --etcd-prefix holds them. A manifest in YAML or JSON becomes a stored object;
// all other data is a value as it is. The name is RESOURCE/NAMESPACE/NAME,
// RESOURCE/NAME, or a key; for a manifest of a built-in kind it may be "".
// Errors have the class fault.Usage.
func Stored(file string, data []byte, name, etcdPrefix string) (key, value []byte, err error) {
	if !isManifest(name, data, etcdPrefix) {
		key, err = Key(name, etcdPrefix)
		return key, data, err
	}
	m, err := read(file, data)
	if err != nil {
		return nil, nil, err
	}
	if name == "" {
		if name, err = m.name(); err != nil {
			return nil, nil, err
		}
	}
	if key, err = Key(name, etcdPrefix); err != nil {
		return nil, nil, err
	}
	if value, err = json.Marshal(m.fields); err != nil {
		return nil, nil, fmt.Errorf("writing %s as JSON: %w", file, err)
	}
	return key, value, nil
}

// isManifest tells a manifest from a stored value: it is text, and its key is
// one of Kubernetes.
func isManifest(name string, data []byte, etcdPrefix string) bool {
	if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("k8s")) {
		return false
	}
	return !strings.HasPrefix(name, "/") || strings.HasPrefix(name, object.Root(etcdPrefix))
}

// Key is the key that a name stands for. What starts with the word of a
// resource is an object, everything else is a key. The error has the class
// fault.Usage.
func Key(name, etcdPrefix string) ([]byte, error) {
	if name == "" {
		return nil, fault.New(fault.Usage, "give its key, or RESOURCE/NAMESPACE/NAME", "nothing says which object it is")
	}
	parts := strings.Split(name, "/")
	r, known := object.Lookup(parts[0])
	if !known {
		if near, ok := object.Suggest(parts[0]); ok && len(parts) > 1 {
			return nil, fault.New(fault.Usage, strings.Join(append([]string{near}, parts[1:]...), "/"), "there is no resource %q", parts[0])
		}
		return []byte(name), nil
	}
	k := object.Key{Group: r.Group, Resource: r.Plural, Name: parts[len(parts)-1]}
	switch {
	case slices.Contains(parts, "") || len(parts) < 2 || len(parts) > 3:
		return nil, fault.New(fault.Usage, "write it as RESOURCE/NAMESPACE/NAME, like configmaps/shop/app", "%q does not name an object", name)
	case len(parts) == 3 && !r.Custom && !r.Namespaced:
		return nil, fault.New(fault.Usage, parts[0]+"/"+parts[2], "%s are in no namespace", r.Word)
	case len(parts) == 2 && !r.Custom && r.Namespaced:
		return nil, fault.New(fault.Usage, parts[0]+"/NAMESPACE/"+parts[1], "%s are in a namespace", r.Word)
	case len(parts) == 3:
		k.Namespace, k.Namespaced = parts[1], true
	}
	return k.StorageKey(etcdPrefix), nil
}

// manifest is an object as people write it.
type manifest struct {
	file   string
	fields map[string]any
}

func read(file string, data []byte) (manifest, error) {
	var r strictyaml.Report
	docs := strictyaml.Parse(&r, file, data)
	if len(docs) > 1 {
		docs[1].At().Problemf("a second document; name a file with one object")
	}
	var v any
	if len(docs) > 0 {
		v = docs[0].Free()
	}
	if err := r.Err(); err != nil {
		return manifest{}, err
	}
	fields, isMap := v.(map[string]any)
	if !isMap {
		return manifest{}, fault.New(fault.Usage, "name a file with an object as kubectl get -o yaml prints it", "%s holds no object", file)
	}
	return manifest{file: file, fields: fields}, nil
}

// name is RESOURCE/NAMESPACE/NAME of a built-in kind.
func (m manifest) name() (string, error) {
	meta, _ := m.fields["metadata"].(map[string]any)
	apiVersion, kind := text(m.fields["apiVersion"]), text(m.fields["kind"])
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	for _, r := range object.Resources() {
		if r.Kind == kind && r.Group == group {
			return strings.Join(slices.DeleteFunc([]string{r.Word, text(meta["namespace"]), text(meta["name"])}, func(s string) bool { return s == "" }), "/"), nil
		}
	}
	if kind == "" {
		return "", fault.New(fault.Usage, "give it apiVersion, kind and metadata", "%s: the object has no kind", m.file)
	}
	return "", fault.New(fault.Usage, "name the object as RESOURCE/NAMESPACE/NAME, like widgets.example.com/shop/w",
		"%s: %s of %s is no built-in kind, so only its definition knows the name of its resource", m.file, kind, apiVersion)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
