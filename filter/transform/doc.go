// Package transform changes objects on their way to an edge: the steps of a
// rule's transform list, compiled once and applied to every object.
//
// step.go is what an operator writes, compile.go turns it into a [Program] or
// says everything that is wrong with it, and one file per step holds what the
// step does. Objects are JSON values: map[string]any, []any, string, bool,
// int64, float64 and nil.
//
// A step never changes what an object is: kind, apiVersion and metadata.name
// stay, and metadata.namespace changes by a namespace step only.
package transform
