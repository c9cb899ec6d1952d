package object

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// What API servers write into the metadata of every object.
var serverMetadata = []string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields",
	"deletionTimestamp", "deletionGracePeriodSeconds",
	"ownerReferences", // the UIDs of one cluster are orders to delete in another
	"finalizers",      // run by controllers that another cluster may not have
}

// Annotations that state what one cluster did; those with a star at the end
// are prefixes.
var clusterAnnotations = []string{
	"kubectl.kubernetes.io/last-applied-configuration",
	"deployment.kubernetes.io/revision",
	"deprecated.daemonset.template.generation",
}

// Intent is what was asked for: the object without what its cluster decided.
// The caller owns it. The intent of an intent is itself.
func (o Object) Intent() map[string]any {
	fields := runtime.DeepCopyJSON(o.fields)
	metadata := child(fields, "metadata")
	c := cleaning{fields: fields, metadata: metadata, spec: child(fields, "spec"), asked: askedFor(metadata)}
	c.metadataOf(metadata)
	delete(fields, "status")
	if clean, ok := cleanKind[o.Key.Word()]; ok {
		clean(&c)
	}
	for _, name := range []string{"annotations", "labels"} {
		dropEmpty(metadata, name)
	}
	if o.shape != nil {
		o.shape.tidy(fields)
	}
	return fields
}

// Status is the status of a custom resource, nil when there is none or it is of
// another kind. It is no part of the intent: most definitions leave it to a
// controller. Where one has no status subresource, it is as much asked for as
// the rest. The caller owns it.
func (o Object) Status() any {
	if r, known := Lookup(o.Key.Word()); !known || !r.Custom {
		return nil
	}
	return runtime.DeepCopyJSONValue(o.fields["status"])
}

// cleaning is an object on its way to its intent.
type cleaning struct {
	fields, metadata, spec map[string]any // missing ones are empty
	asked                  asked
}

func (c *cleaning) metadataOf(metadata map[string]any) {
	for _, name := range serverMetadata {
		delete(metadata, name)
	}
	c.dropAnnotations(clusterAnnotations...)
}

func (c *cleaning) dropAnnotations(patterns ...string) {
	maps.DeleteFunc(child(c.metadata, "annotations"), func(name string, _ any) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			prefix, star := strings.CutSuffix(p, "*")
			return name == p || star && strings.HasPrefix(name, prefix)
		})
	})
}

// child is the object below a name; a new, empty one when there is none.
func child(fields map[string]any, name string) map[string]any {
	c, ok := fields[name].(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return c
}

func list(fields map[string]any, name string) []any {
	l, _ := fields[name].([]any)
	return l
}

func dropEmpty(fields map[string]any, name string) {
	switch v := fields[name].(type) {
	case map[string]any:
		if len(v) == 0 {
			delete(fields, name)
		}
	case []any:
		if len(v) == 0 {
			delete(fields, name)
		}
	case nil:
		delete(fields, name)
	}
}
