package conflict

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	schedulingalpha "k8s.io/api/scheduling/v1alpha3"
	schedulingbeta "k8s.io/api/scheduling/v1beta1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	tags "k8s.io/apimachinery/third_party/forked/golang/json"
)

// scheme has the built-in kinds that say in their Go types how their lists are
// merged. What is not in it is merged as any JSON.
var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, register := range []func(*runtime.Scheme) error{
		admissionregistration.AddToScheme, apps.AddToScheme, batch.AddToScheme,
		core.AddToScheme, policy.AddToScheme, schedulingalpha.AddToScheme, schedulingbeta.AddToScheme, storage.AddToScheme,
	} {
		if err := register(s); err != nil {
			panic(err) // a type that is registered twice
		}
	}
	return s
})

// shape is what is known of a value: its Go type, nil when nothing is, and how
// it is merged with others.
type shape struct {
	of  reflect.Type
	how how
}

// how is how a list or mapping is merged.
type how struct {
	key    string // entries of the list are one when they have this field in common
	set    bool   // the list is a set
	retain bool   // fields of the mapping, or of the entries, exclude each other
	whole  bool   // it is never merged
}

// shapeOf is the shape of an object by its apiVersion and kind.
func shapeOf(v any) shape {
	version, _ := member(v, "apiVersion").(string)
	name, _ := member(v, "kind").(string)
	kind := schema.FromAPIVersionAndKind(version, name)
	if kind.Version == "" || kind.Kind == "" {
		return shape{}
	}
	if t, ok := scheme().AllKnownTypes()[kind]; ok {
		return shape{of: t}
	}
	return shape{of: reflect.TypeFor[anyKind]()}
}

// anyKind is what all kinds have in common, custom ones too.
type anyKind struct {
	Metadata meta.ObjectMeta `json:"metadata"`
}

// field is the shape of a field.
func (s shape) field(name string) shape {
	if s.free() {
		return shape{of: deref(s.of.Elem())}
	}
	if s.of == nil || s.of.Kind() != reflect.Struct {
		return shape{}
	}
	// What strategicpatch asks as well, which brings all of OpenAPI along.
	of, strategies, key, err := tags.LookupPatchMetadataForStruct(s.of, name)
	if err != nil {
		return shape{} // a field of a version to come
	}
	out := shape{of: deref(of)}
	out.how.retain = slices.Contains(strategies, "retainKeys")
	out.how.whole = slices.Contains(strategies, "replace")
	if slices.Contains(strategies, "merge") {
		out.how.key = key
		out.how.set = out.how.key == ""
	}
	return out
}

// entry is the shape of the entries of a list.
func (s shape) entry() shape {
	out := shape{how: how{retain: s.how.retain}}
	if s.of != nil && s.of.Kind() == reflect.Slice {
		out.of = deref(s.of.Elem())
	}
	return out
}

// free reports whether the value is a mapping with names of anybody's choice,
// like labels: it stays whole whichever of them are missing.
func (s shape) free() bool { return s.of != nil && s.of.Kind() == reflect.Map }

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// companions are fields that tell entries apart together with the merge key,
// as they do in server-side apply, and what is meant when they are missing.
var companions = map[string]struct{ name, missing string }{
	"port":          {"protocol", "TCP"},
	"containerPort": {"protocol", "TCP"},
	"topologyKey":   {"whenUnsatisfiable", ""},
}

// alternatives exclude each other in an object of Kubernetes, without its types
// saying so.
var alternatives = [][]string{
	{"value", "valueFrom"},                            // of an environment variable
	{"exec", "httpGet", "tcpSocket", "grpc", "sleep"}, // of a probe or hook
	{"minAvailable", "maxUnavailable"},                // of a disruption budget
	{"url", "service"},                                // of a webhook
	{"configMapRef", "secretRef"},                     // of variables from elsewhere
	{"configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"}, // of a variable from elsewhere
}

// displaced are the fields of out that an alternative of the source excludes,
// where neither side had both.
func displaced(out, edge, source map[string]any) []string {
	var names []string
	for _, group := range alternatives {
		if count(group, out) < 2 || count(group, edge) > 1 || count(group, source) > 1 {
			continue
		}
		for _, name := range group {
			_, has := out[name]
			if _, wanted := source[name]; has && !wanted {
				names = append(names, name)
			}
		}
	}
	return names
}

func count(names []string, in map[string]any) (n int) {
	for _, name := range names {
		if _, ok := in[name]; ok {
			n++
		}
	}
	return n
}

// plainName reports whether a path can have the name between dots.
func plainName(name string) bool {
	return name != "" && !strings.ContainsAny(name, ".[]/\"'`\\{} \t\r\n*")
}
