package strictyaml

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Free reads a document of any shape: what a field of type any would hold. It
// is nil when there is a problem.
func (d *Document) Free() any {
	value, ok := at{doc: d}.free(d.root)
	if !ok {
		return nil
	}
	return value
}

// isFree reports whether a field takes a value of any shape, null included.
func isFree(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Interface && t.NumMethod() == 0
}

// anything stores what a node holds as the JSON value that every YAML reader
// would make of it: map[string]any, []any, string, bool, int64, float64, or
// nil for a written null.
func (a at) anything(n *yaml.Node, v reflect.Value) {
	if value, ok := a.free(n); ok && value != nil {
		v.Set(reflect.ValueOf(value))
	}
}

// free reads a value of any shape; ok is false when it has a problem.
func (a at) free(n *yaml.Node) (value any, ok bool) {
	if n.Kind == yaml.ScalarNode && n.Value == "null" && n.Style == 0 && n.Anchor == "" {
		return nil, true
	}
	if !a.plainNode(n) {
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		return a.freeMapping(n)
	case yaml.SequenceNode:
		return a.freeList(n)
	default:
		return a.freeScalar(n)
	}
}

func (a at) freeMapping(n *yaml.Node) (value any, ok bool) {
	before := len(a.doc.refused)
	out := make(map[string]any, len(n.Content)/2)
	a.pairs(n, func(key, value *yaml.Node) {
		if !isText(key) {
			a.refuse(key, "put it in quotes: "+quote(key.Value), "the name of a field must be text, but "+printable(key.Value)+" is "+describe(key))
			return
		}
		out[key.Value], _ = a.step(key.Value, a.below(key.Value)).free(value)
	})
	return out, len(a.doc.refused) == before
}

func (a at) freeList(n *yaml.Node) (value any, ok bool) {
	before := len(a.doc.refused)
	out := make([]any, len(n.Content))
	for i, c := range n.Content {
		out[i], _ = a.step(i, "").free(c)
	}
	return out, len(a.doc.refused) == before
}

func (a at) freeScalar(n *yaml.Node) (value any, ok bool) {
	switch {
	case isText(n):
		return n.Value, true
	case n.Value == "true" || n.Value == "false":
		return n.Value == "true", true
	case n.ShortTag() == intTag || n.ShortTag() == floatTag:
		return a.number(n)
	default:
		a.problemf("for text, put it in quotes: "+quote(n.Value), "%s is %s, which is %s", a.subject(), printable(n.Value), describe(n))
		return nil, false
	}
}

// number reads what JSON and every YAML reader take for the same number.
func (a at) number(n *yaml.Node) (value any, ok bool) {
	if !json.Valid([]byte(n.Value)) {
		a.problemf("write it in plain decimals, or in quotes for text: "+quote(n.Value), "%s is %s, which YAML readers understand differently", a.subject(), printable(n.Value))
		return nil, false
	}
	if !strings.ContainsAny(n.Value, ".eE") {
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil {
			a.problemf("for text, put it in quotes: "+quote(n.Value), "%s is too large", a.subject())
		}
		return i, err == nil
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsInf(f, 0) {
		a.problemf("for text, put it in quotes: "+quote(n.Value), "%s is too large", a.subject())
		return nil, false
	}
	return f, true
}
