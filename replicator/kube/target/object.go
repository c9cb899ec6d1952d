package target

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// name is what a delivered key names.
type name struct {
	word, namespace, name string
	namespaced            bool
}

func parseKey(key []byte) (name, bool) {
	rest, ok := strings.CutPrefix(string(key), filter.ObjectPrefix)
	if !ok {
		return name{}, false
	}
	parts := strings.Split(rest, "/")
	for _, p := range parts {
		if p == "" {
			return name{}, false
		}
	}
	switch len(parts) {
	case 2:
		return name{word: parts[0], name: parts[1]}, true
	case 3:
		return name{word: parts[0], namespace: parts[1], name: parts[2], namespaced: true}, true
	}
	return name{}, false
}

// keyOf is the delivered key of an object.
func keyOf(r schema.GroupResource, namespace, name string) []byte {
	word := r.Resource
	if r.Group != "" {
		word += "." + r.Group
	}
	key := filter.ObjectPrefix + word + "/"
	if namespace != "" {
		key += namespace + "/"
	}
	return []byte(key + name)
}

// String is the object as operators know it: "deployments.apps shop/web".
func (n name) String() string {
	if n.namespaced {
		return n.word + " " + n.namespace + "/" + n.name
	}
	return n.word + " " + n.name
}

// own reports whether it is syncer's own.
func (n name) own() bool {
	return n.namespace == Namespace || n.word == "namespaces" && n.name == Namespace
}

// put is an object that is to be applied.
type put struct {
	name
	key    []byte
	value  []byte
	sum    []byte
	object map[string]any
	kind   schema.GroupVersionKind
}

func sumOf(value []byte) []byte {
	sum := sha256.Sum256(value)
	return sum[:]
}

const tryPolicy = "select it with a rule for resources, or leave it out of the policy"

// parsePut reads what is to be applied. What is no object is refused.
func parsePut(c change.Change) (*put, *target.Refused) {
	p := &put{key: c.Key, value: c.Value, sum: sumOf(c.Value)}
	no := func(format string, args ...any) (*put, *target.Refused) {
		return nil, &target.Refused{Key: c.Key, Why: status.Invalid, Err: fault.New(fault.Check, tryPolicy, format, args...)}
	}
	var ok bool
	if p.name, ok = parseKey(c.Key); !ok {
		return no("an API server takes objects of Kubernetes, below %s<resource>/", filter.ObjectPrefix)
	}
	if p.own() {
		return no("the namespace %s is syncer's own", Namespace)
	}
	if err := utiljson.Unmarshal(c.Value, &p.object); err != nil || p.object == nil {
		return no("the value is no object of Kubernetes in JSON: %v", err)
	}
	apiVersion, _ := p.object["apiVersion"].(string)
	kind, _ := p.object["kind"].(string)
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || kind == "" || gv.Version == "" {
		return no("the object has no apiVersion and kind")
	}
	p.kind = gv.WithKind(kind)
	metadata, _ := p.object["metadata"].(map[string]any)
	if is, _ := metadata["name"].(string); is != p.name.name {
		return no("the object is called %q, and its key says %q", is, p.name.name)
	}
	if is, _ := metadata["namespace"].(string); is != p.namespace {
		return no("the object is in namespace %q, and its key says %q", is, p.namespace)
	}
	return p, nil
}

// mark is an annotation of everything that is applied: it tells people where an
// object comes from, and has us own something of one that has no fields.
const mark = "syncer.io/channel"

// sent is the object with the mark, for a server that has it with that UID and
// version.
func (p *put) sent(channel, uid, version string) map[string]any {
	metadata, _ := p.object["metadata"].(map[string]any)
	m := maps.Clone(metadata)
	annotations, _ := m["annotations"].(map[string]any)
	marked := make(map[string]any, len(annotations)+1)
	maps.Copy(marked, annotations)
	marked[mark] = channel
	m["annotations"] = marked
	if uid != "" {
		m["uid"] = uid
	}
	if version != "" {
		m["resourceVersion"] = version
	}
	out := maps.Clone(p.object)
	out["metadata"] = m
	return out
}

// unmarked takes the mark off an object.
func unmarked(o map[string]any) map[string]any {
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if delete(annotations, mark); annotations != nil && len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return o
}

// canonical is an object as it is delivered.
func canonical(o map[string]any) ([]byte, error) {
	b, err := object.Canonical(o)
	if err != nil {
		return nil, fmt.Errorf("write an object as JSON: %w", err)
	}
	return b, nil
}

func decode(raw []byte) (map[string]any, error) {
	var out map[string]any
	if err := utiljson.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read an object of the inventory: %w", err)
	}
	return out, nil
}
