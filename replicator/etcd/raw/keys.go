package raw

import (
	"bytes"
	"errors"
	"strings"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

const (
	tryPolicy     = "change the policy"
	tryKubernetes = "use target.kubernetes, which writes through the API server"
)

// keys are the keys of objects on both sides, below the etcd prefix of the API
// server. Other keys are the same on both.
type keys struct{ prefix string }

// isObject reports whether a delivered key is meant for an object.
func isObject(delivered []byte) bool { return bytes.HasPrefix(delivered, []byte(filter.ObjectPrefix)) }

// isStored reports whether a key of the etcd lies where the API server keeps its
// objects.
func (k keys) isStored(key []byte) bool { return bytes.HasPrefix(key, []byte(object.Root(k.prefix))) }

// parse reads the delivered key of an object.
func (k keys) parse(delivered []byte) (object.Key, error) {
	rest, _ := strings.CutPrefix(string(delivered), filter.ObjectPrefix)
	word, path, _ := strings.Cut(rest, "/")
	r, ok := object.Lookup(word)
	if !ok {
		return object.Key{}, &object.Refusal{Reason: "it names no resource of Kubernetes", Try: tryPolicy}
	}
	out := object.Key{Group: r.Group, Resource: r.Plural, Name: path}
	if namespace, name, two := strings.Cut(path, "/"); two {
		out.Namespace, out.Name, out.Namespaced = namespace, name, true
	}
	back, err := object.ParseKey(k.prefix, out.StorageKey(k.prefix))
	if err == nil && back != out {
		err = &object.Refusal{Reason: "no object can have the name in it", Try: tryPolicy}
	}
	return out, err
}

// stored is the key of an object in etcd.
func (k keys) stored(o object.Key) []byte { return o.StorageKey(k.prefix) }

// delivered is the key under which an object is delivered.
func delivered(o object.Key) []byte {
	b := append([]byte(filter.ObjectPrefix), o.Word()...)
	if o.Namespaced {
		b = append(append(b, '/'), o.Namespace...)
	}
	return append(append(b, '/'), o.Name...)
}

// show gives the delivered key of a key in etcd; object tells whether it is an
// object's. ok is false for what lies among the objects and is none.
func (k keys) show(key []byte) (out []byte, o object.Key, isObject, ok bool) {
	if !k.isStored(key) {
		return key, o, false, true
	}
	o, err := object.ParseKey(k.prefix, key)
	if err != nil {
		return nil, o, true, false
	}
	return delivered(o), o, true, true
}

// ranges are delivered ranges as they lie in etcd, in the same order. The keys of
// one resource keep their order; a range never reaches over two.
func (k keys) ranges(in []change.Range) ([]change.Range, error) {
	out := make([]change.Range, 0, len(in))
	for _, r := range in {
		mapped, err := k.mapped(r)
		if err != nil {
			return nil, err
		}
		out = append(out, mapped)
	}
	return out, nil
}

func (k keys) mapped(r change.Range) (change.Range, error) {
	if !isObject(r.Lo) {
		return r, k.plain(r)
	}
	stored, ok := filter.Cluster{Prefix: k.prefix}.StoredRange(r)
	if !ok {
		return r, fault.New(fault.Check, tryPolicy, "the delivered range %s is not one of a resource of Kubernetes", r)
	}
	return stored, nil
}

// plain refuses ranges of plain keys that reach into those of objects.
func (k keys) plain(r change.Range) error {
	for _, p := range []string{object.Root(k.prefix), filter.ObjectPrefix} {
		if !r.Intersect(change.PrefixRange([]byte(p))).Empty() {
			return fault.New(fault.Check, "select the objects in a rule with resources: in place of the prefix",
				"the range %s of a rule with a prefix reaches into %s, and bytes of another cluster are not copied among the objects of this one", r, p)
		}
	}
	return nil
}

// words are those of an error and the remedy that comes with it.
func words(err error) (reason, try string) {
	var r *object.Refusal
	if errors.As(err, &r) && r.Try != "" {
		return r.Reason, r.Try
	}
	return err.Error(), tryKubernetes
}
