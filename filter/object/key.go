package object

import (
	"strings"
	"unicode/utf8"
)

// Key names one object of a cluster. It is comparable.
type Key struct {
	Group      string // "" is the core group
	Resource   string // the plural
	Namespace  string // "" when cluster-scoped
	Name       string
	Namespaced bool
}

const tryKeys = "leave the key out of the policy; if it is below the etcd prefix of a cluster, check --etcd-prefix of its API server"

// ParseKey reads the key that an API server with --etcd-prefix stores an object
// under. The prefix may be written without a leading slash, and with one at its
// end. The error is a *Refusal: the key is no object's.
func ParseKey(etcdPrefix string, key []byte) (Key, error) {
	path, ok := strings.CutPrefix(string(key), Root(etcdPrefix))
	if !ok {
		return Key{}, refuse(tryKeys, "%q is not below %s", key, Root(etcdPrefix))
	}
	r, rest, ok := byPath(path)
	if !ok {
		return Key{}, refuse(tryKeys, "%q is not below the prefix of a resource of Kubernetes", key)
	}
	k := Key{Group: r.Group, Resource: r.Plural, Name: rest}
	if namespace, name, two := strings.Cut(rest, "/"); two {
		k.Namespace, k.Name, k.Namespaced = namespace, name, true
	}
	if !r.Custom && k.Namespaced != r.Namespaced {
		return Key{}, refuse(tryKeys, "%q has %s, and %s are %s", key, parts(k.Namespaced), r.Word, scope(r.Namespaced))
	}
	if !segment(k.Name) || k.Namespaced && !segment(k.Namespace) {
		return Key{}, refuse(tryKeys, "%q has a name that no object can have", key)
	}
	return k, nil
}

// StorageKey is the inverse of ParseKey.
func (k Key) StorageKey(etcdPrefix string) []byte {
	b := append([]byte(Root(etcdPrefix)), k.storagePrefix()...)
	if k.Namespaced {
		b = append(append(b, '/'), k.Namespace...)
	}
	return append(append(b, '/'), k.Name...)
}

// Word is how a policy names the resource of the object.
func (k Key) Word() string {
	if k.Group == "" {
		return k.Resource
	}
	return k.Resource + "." + k.Group
}

// String is the object as operators know it: "deployments.apps shop/web".
func (k Key) String() string {
	if k.Namespaced {
		return k.Word() + " " + k.Namespace + "/" + k.Name
	}
	return k.Word() + " " + k.Name
}

// Root is what all keys of a cluster start with: the prefix with a slash at
// either end.
func Root(etcdPrefix string) string {
	inner := strings.Trim(etcdPrefix, "/")
	if inner == "" {
		return "/"
	}
	return "/" + inner + "/"
}

func (k Key) storagePrefix() string {
	if r, ok := byWord[k.Word()]; ok {
		return r.StoragePrefix
	}
	return k.Group + "/" + k.Resource
}

// byPath finds the resource of a path below the etcd prefix, and the rest of
// the path. A first segment with a dot is the group of a custom resource: such
// a group must have a dot, and no built-in prefix has one except the two that
// are in the table with their group.
func byPath(path string) (Resource, string, bool) {
	first, rest, ok := strings.Cut(path, "/")
	if !ok {
		return Resource{}, "", false
	}
	if r, known := byPrefix[first]; known {
		return *r, rest, true
	}
	second, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Resource{}, "", false
	}
	if r, known := byPrefix[path[:len(first)+1+len(second)]]; known {
		return *r, rest, true
	}
	if !strings.Contains(first, ".") || builtInGroup[first] || !segment(first) || !segment(second) || strings.Contains(second, ".") {
		return Resource{}, "", false
	}
	return custom(first, second), rest, true
}

// segment reports whether an API server can have used s as a part of a path.
func segment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/%") && utf8.ValidString(s)
}

func parts(namespaced bool) string {
	if namespaced {
		return "a namespace and a name"
	}
	return "a name only"
}

func scope(namespaced bool) string {
	if namespaced {
		return "namespaced"
	}
	return "cluster-scoped"
}
