package filter

import (
	"fmt"
	"hash/crc32"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

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
	filled.ofEdge = true
	return filled, r.Err()
}

// PerEdge reports whether the policy depends on the edge.
func (p Policy) PerEdge() bool {
	found := false
	look := func(name string) (string, *flaw) {
		found = found || strings.HasPrefix(name, "edge.")
		return "", nil
	}
	p.fill(strictyaml.Unplaced(&strictyaml.Report{}, ""), look)
	return found
}

// variables give the value of ${name}, or what is wrong with it.
type variables func(name string) (value string, wrong *flaw)

// flaw is what is wrong with a variable, and what to do.
type flaw struct{ message, hint string }

const useVariables = "use ${edge.name}, ${edge.labels.…} or one of spec.variables"

func edgeVariables(e Edge) variables {
	return func(name string) (string, *flaw) {
		label, isLabel := strings.CutPrefix(name, "edge.labels.")
		value, ok := e.Labels[label]
		switch {
		case name == "edge.name" && e.Name != "":
			return e.Name, nil
		case name == "edge.name":
			return "", &flaw{"the policy depends on the edge, and no edge is named", "name an edge"}
		case isLabel && ok:
			return value, nil
		case isLabel:
			return "", &flaw{fmt.Sprintf("edge %s has no label %q", e.Name, label), "give its pair the label"}
		default:
			return "", unknownVariable(name, []string{"edge.name"}, "use ${edge.name} or ${edge.labels.…}")
		}
	}
}

// sample stands for any edge, so that mistakes show before there is one. It is
// unlike what edges are called: a pattern for some of them must not seem to hold
// for all.
func sample(name string) (value string, wrong *flaw) {
	switch label, isLabel := strings.CutPrefix(name, "edge.labels."); {
	case name == "edge.name":
		return "0-any-edge", nil
	case isLabel && label != "":
		return sampleLabel(label), nil
	default:
		return edgeVariables(Edge{})(name)
	}
}

// sampleLabel is another value for each label, and one that can stand wherever
// a label's value can: in the name of a namespace, too.
func sampleLabel(label string) string {
	plain := strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
	if plain && len(label) <= 20 {
		return "0-any-" + label
	}
	return fmt.Sprintf("0-any-%08x", crc32.ChecksumIEEE([]byte(label)))
}

func unknownVariable(name string, known []string, hint string) *flaw {
	if near := strictyaml.Nearest(name, known); near != "" {
		hint = "did you mean ${" + near + "}?"
	}
	return &flaw{fmt.Sprintf("there is no variable %q", name), hint}
}

// inVariables are the variables that a variable's own value may have in it:
// those of the edge, so that variables do not go in circles.
func inVariables(edge variables, own map[string]string) variables {
	return func(name string) (string, *flaw) {
		if _, ok := own[name]; ok {
			return "", &flaw{fmt.Sprintf("the variable %q cannot stand in another one", name), "write its value out"}
		}
		return edge(name)
	}
}

// inRules are the variables that the rest of a policy may have in it.
func inRules(edge variables, own map[string]string) variables {
	known := append(slices.Sorted(maps.Keys(own)), "edge.name")
	return func(name string) (string, *flaw) {
		if strings.HasPrefix(name, "edge.") {
			return edge(name)
		}
		if value, ok := own[name]; ok {
			return value, nil
		}
		return "", unknownVariable(name, known, useVariables)
	}
}

// fill replaces every ${...} of the spec. Problems go to doc, at their places.
func (p Policy) fill(doc *strictyaml.Document, edge variables) Policy {
	if p.filled {
		return p
	}
	own := make(map[string]string, len(p.Spec.Variables))
	for _, name := range slices.Sorted(maps.Keys(p.Spec.Variables)) {
		f := filling{doc: doc, values: inVariables(edge, p.Spec.Variables)}
		own[name] = f.text(p.Spec.Variables[name], []any{"spec", "variables", name})
	}
	f := filling{doc: doc, values: inRules(edge, own)}
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
	var b strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			return b.String() + rest
		}
		at := f.doc.At(path...).In(utf8.RuneCountInString(s[:len(s)-len(after)]) - len("${"))
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(plain + "${")
			rest = after
			continue
		}
		name, end, closed := strings.Cut(after, "}")
		if !closed {
			at.Hint("close it, or write $${ for a plain ${").Problemf("${%s has no end", after)
			return b.String() + rest
		}
		value, wrong := f.values(name)
		if wrong != nil {
			at.Hint("%s", wrong.hint).Problemf("%s", wrong.message)
			value = "x" // complained about once
		}
		b.WriteString(before + value)
		rest = end
	}
}
