package schema_test

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/strictyaml"
)

// node is a part of a schema.
type node map[string]any

// constraints are what the types of the fields do not say, by package, type
// and field.
var constraints = map[string]node{
	"filter.Policy.APIVersion": {"const": filter.APIVersion},
	"filter.Policy.Kind":       {"const": filter.KindPolicy},
	"filter.Metadata.Name":     {"pattern": filter.NamePattern},
	"filter.Spec.Rules":        {"minItems": 1},
	"filter.Rule": {"oneOf": []node{
		{"required": []string{"prefix"}},
		{"required": []string{"resources"}},
	}},
	"filter.Rule.Resources":            {"minItems": 1},
	"filter.Rule.Transform":            {"minItems": 1},
	"filter.Rule.MaxDeletePercent":     {"minimum": 0, "maximum": 100},
	"filter.Rule.MinDeletes":           {"minimum": 1},
	"filter.Defaults.MaxDeletePercent": {"minimum": 0, "maximum": 100},
	"filter.Defaults.MinDeletes":       {"minimum": 1},
	"filter.Rule.IgnoreFields":         {"minItems": 1},
	"filter.IgnoreFields": {"oneOf": []node{
		{"required": []string{"paths"}},
		{"required": []string{"preset"}, "properties": node{"when": false}},
	}},
	"filter.IgnoreFields.Paths": {"minItems": 1},
	"transform.Step":            {"minProperties": 1, "maxProperties": 1},
	"transform.Step.DropFields": {"minItems": 1},
	"transform.Step.SetFields":  {"minProperties": 1},
	"transform.Step.Patch":      {"minItems": 1},
	"transform.Edit":            {"minProperties": 1},
}

// generator makes the schema of a struct as package strictyaml reads it.
type generator struct {
	t        *testing.T
	comments comments
	used     map[string]bool // constraints
	defs     node
}

func (g *generator) schema(t reflect.Type) node {
	switch {
	case t.Kind() == reflect.Pointer:
		return g.schema(t.Elem())
	case t.Implements(reflect.TypeFor[strictyaml.Enum]()):
		return node{"enum": reflect.Zero(t).Interface().(strictyaml.Enum).Values()}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return node{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return node{"type": "string"}
	case reflect.Bool:
		return node{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return node{"type": "integer"}
	case reflect.Slice:
		return node{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Map:
		return node{"type": "object", "additionalProperties": g.schema(t.Elem())}
	case reflect.Interface:
		return node{}
	case reflect.Struct:
		return g.structure(t)
	default:
		g.t.Fatalf("no schema for %s", t)
		return nil
	}
}

// structure defines a struct once and refers to it.
func (g *generator) structure(t reflect.Type) node {
	ref := node{"$ref": "#/$defs/" + t.Name()}
	if _, done := g.defs[t.Name()]; !done {
		g.defs[t.Name()] = nil // a struct may hold itself
		g.defs[t.Name()] = g.object(t)
	}
	return ref
}

func (g *generator) object(t reflect.Type) node {
	properties, required := node{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		property := g.finish(t.String()+"."+f.Name, g.schema(f.Type))
		property["description"] = asWritten(property["description"], f.Name, name)
		properties[name] = property
		if options == "required" {
			required = append(required, name)
		}
	}
	out := node{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return g.finish(t.String(), out)
}

// asWritten calls a field at the start of its comment as a policy does.
func asWritten(comment any, goName, name string) string {
	text := fmt.Sprint(comment)
	if rest, named := strings.CutPrefix(text, goName+" "); named {
		return name + " " + rest
	}
	return text
}

// finish adds the comment and the constraints.
func (g *generator) finish(name string, n node) node {
	comment := g.comments[name]
	if comment == "" {
		g.t.Errorf("%s has no comment", name)
	}
	n["description"] = strings.TrimSuffix(comment, " Required.")
	for key, value := range constraints[name] {
		n[key] = value
	}
	g.used[name] = true
	return n
}

func generate(t *testing.T) node {
	t.Helper()
	g := &generator{t: t, comments: readComments(t, "..", "../transform"), used: map[string]bool{}, defs: node{}}
	root := g.object(reflect.TypeFor[filter.Policy]())
	for name := range constraints {
		if !g.used[name] {
			t.Errorf("there is no field %s to constrain", name)
		}
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "urn:syncer:policy:" + strings.TrimPrefix(filter.APIVersion, "syncer/")
	root["title"] = fmt.Sprintf("syncer policy, %s", filter.APIVersion)
	root["$defs"] = g.defs
	return root
}
