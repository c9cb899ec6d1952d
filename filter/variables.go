package filter

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// Edge is what a policy is filled in for.
type Edge struct {
	Name   string
	Labels map[string]string
}

// Fill gives the policy with its variables filled in for an edge. Equal
// results are one channel. The error, of the class fault.Usage, names every
// variable that has no value, and where it stands.
func (p Policy) Fill(e Edge) (Policy, error) {
	var r strictyaml.Report
	filled := p.fill(p.place(&r), edgeVariables(e))
	return filled, r.Err()
}

// PerEdge reports whether the policy depends on the edge.
func (p Policy) PerEdge() bool {
	found := false
	look := func(name string) (string, string) {
		found = found || strings.HasPrefix(name, "edge.")
		return "", ""
	}
	p.fill(strictyaml.Unplaced(&strictyaml.Report{}, ""), look)
	return found
}

// variables give the value of ${name}, or a complaint.
type variables func(name string) (value, complaint string)

func edgeVariables(e Edge) variables {
	return func(name string) (string, string) {
		label, isLabel := strings.CutPrefix(name, "edge.labels.")
		value, ok := e.Labels[label]
		switch {
		case name == "edge.name" && e.Name != "":
			return e.Name, ""
		case name == "edge.name":
			return "", "the policy depends on the edge, and no edge is named"
		case isLabel && ok:
			return value, ""
		case isLabel:
			return "", fmt.Sprintf("edge %s has no label %q", e.Name, label)
		default:
			return "", fmt.Sprintf("an edge has no %q", strings.TrimPrefix(name, "edge."))
		}
	}
}

// sample stands for any edge, so that mistakes show before there is one.
func sample(name string) (value, complaint string) {
	switch label, isLabel := strings.CutPrefix(name, "edge.labels."); {
	case name == "edge.name":
		return "edge-name", ""
	case isLabel && label != "":
		return "edge-label", ""
	default:
		return edgeVariables(Edge{})(name)
	}
}

// fill replaces every ${...} of the spec. Problems go to doc, at their places.
func (p Policy) fill(doc *strictyaml.Document, edge variables) Policy {
	if p.filled {
		return p
	}
	own := make(map[string]string, len(p.Spec.Variables))
	for _, name := range slices.Sorted(maps.Keys(p.Spec.Variables)) {
		f := filling{doc: doc, values: edge}
		own[name] = f.text(p.Spec.Variables[name], []any{"spec", "variables", name})
	}
	values := func(name string) (string, string) {
		if strings.HasPrefix(name, "edge.") {
			return edge(name)
		}
		if value, ok := own[name]; ok {
			return value, ""
		}
		return "", fmt.Sprintf("there is no variable %q", name)
	}
	f := filling{doc: doc, values: values}
	spec := p.Spec
	spec.Variables, p.filled = nil, true
	reflect.ValueOf(&p.Spec).Elem().Set(f.value(reflect.ValueOf(spec), []any{"spec"}))
	return p
}

// filling copies values with their variables filled in.
type filling struct {
	doc    *strictyaml.Document
	values variables
}

func (f filling) value(v reflect.Value, path []any) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(f.text(v.String(), path))
		return out
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		return f.behind(v, path)
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(f.value(v.Index(i), below(path, i)))
		}
		return out
	case reflect.Map:
		return f.mapping(v, path)
	case reflect.Struct:
		return f.structure(v, path)
	default:
		return v
	}
}

func (f filling) behind(v reflect.Value, path []any) reflect.Value {
	inner := f.value(v.Elem(), path)
	if v.Kind() == reflect.Interface {
		out := reflect.New(v.Type()).Elem()
		out.Set(inner)
		return out
	}
	out := reflect.New(v.Type().Elem())
	out.Elem().Set(inner)
	return out
}

func (f filling) mapping(v reflect.Value, path []any) reflect.Value {
	if v.IsNil() {
		return v
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for _, key := range v.MapKeys() {
		at := below(path, key.String())
		out.SetMapIndex(f.value(key, at), f.value(v.MapIndex(key), at))
	}
	return out
}

func (f filling) structure(v reflect.Value, path []any) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			out.Field(i).Set(f.value(v.Field(i), below(path, name)))
		}
	}
	return out
}

// below is the path of what lies below a path, in a slice of its own.
func below(path []any, next any) []any { return append(slices.Clip(path), next) }

// text fills in one text.
func (f filling) text(s string, path []any) string {
	if !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		if !found {
			return b.String() + s
		}
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(plain + "${")
			s = after
			continue
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			f.doc.At(path...).Hint("close it, or write $${ for a plain ${").Problemf("${%s has no end", after)
			return b.String() + s
		}
		value, complaint := f.values(name)
		if complaint != "" {
			f.doc.At(path...).Hint("use ${edge.name}, ${edge.labels.…} or one of spec.variables").Problemf("%s", complaint)
			value = "x" // complained about once
		}
		b.WriteString(before + value)
		s = rest
	}
}
