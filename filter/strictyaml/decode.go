package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// Decode reads a file that holds exactly one document into the struct that
// into points to. The error is what [Report.Err] gives.
func Decode(file string, data []byte, into any) error {
	var r Report
	docs := Parse(&r, file, data)
	for i, doc := range docs {
		if i > 0 {
			doc.At().Problemf("a second document; this file must hold one only")
			continue
		}
		doc.Decode(into)
	}
	return r.Err()
}

// Decode fills the struct that into points to; what does not fit goes to the
// report, and its field keeps the value it had. It panics when into is not a
// pointer to a struct, or the struct has a field of a type that the package
// does not read.
func (d *Document) Decode(into any) {
	v := reflect.ValueOf(into).Elem()
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("strictyaml: cannot decode into %T", into))
	}
	at{doc: d}.value(d.root, v, "")
}

// at is the decoder's place in the document.
type at struct {
	doc     *Document
	path    []any
	context string // how messages call the surrounding mapping
}

func (a at) step(step any, context string) at {
	return at{doc: a.doc, path: append(slices.Clip(a.path), step), context: context}
}

func (a at) problemf(hint, format string, args ...any) {
	if k := pathKey(a.path); !a.doc.isRefused(k) {
		a.doc.refused = append(a.doc.refused, k)
		a.doc.At(a.path...).Hint("%s", hint).add(fmt.Sprintf(format, args...))
	}
}

// subject is how messages call the value at this place.
func (a at) subject() string {
	switch s := last(a.path).(type) {
	case string:
		return fmt.Sprintf("%q", s)
	case int:
		return fmt.Sprintf("entry %d of %q", s+1, fmt.Sprint(last(a.path[:len(a.path)-1])))
	default:
		return "the document"
	}
}

// last is the last step of a path, or nil.
func last(path []any) any {
	if len(path) == 0 {
		return nil
	}
	return path[len(path)-1]
}

// value stores a node in v. The item names entries of lists and maps.
func (a at) value(n *yaml.Node, v reflect.Value, item string) {
	if !isFree(v.Type()) && !a.plainNode(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		a.value(n, fresh.Elem(), item)
		v.Set(fresh)
		return
	}
	if isScalar(v) {
		a.scalar(n, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		a.structure(n, v)
	case reflect.Slice:
		a.list(n, v, item)
	case reflect.Map:
		a.mapping(n, v, item)
	case reflect.Interface:
		a.anything(n, v)
	default:
		panic(fmt.Sprintf("strictyaml: field %s has the unreadable type %s", pathText(a.path), v.Type()))
	}
}

// plainNode refuses missing values and the parts of YAML that hide where a
// value comes from.
func (a at) plainNode(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		a.problemf("write the value out", "anchors and aliases (& and *) are not read here")
	case n.Style&yaml.TaggedStyle != 0:
		a.problemf("remove it, or put the value in quotes", "the tag %s is not read here", printable(n.Tag))
	case n.ShortTag() == nullTag:
		a.problemf("give it one, or remove the field", "%s has no value", a.subject())
	default:
		return true
	}
	return false
}

// isScalar reports whether v is filled from one scalar node.
func isScalar(v reflect.Value) bool {
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return true
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	default:
		return v.Type() == reflect.TypeFor[time.Duration]()
	}
}

func (a at) list(n *yaml.Node, v reflect.Value, item string) {
	if n.Kind != yaml.SequenceNode {
		a.problemf("", "%s must be a list, not %s", a.subject(), describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		a.step(i, itemContext(item, c, fmt.Sprint(i+1))).value(c, out.Index(i), "")
	}
	v.Set(out)
}

func (a at) mapping(n *yaml.Node, v reflect.Value, item string) {
	if n.Kind != yaml.MappingNode {
		a.problemf("", "%s must be a mapping, not %s", a.subject(), describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	a.pairs(n, func(key, value *yaml.Node) {
		entry := reflect.New(v.Type().Elem()).Elem()
		a.step(key.Value, itemContext(item, value, fmt.Sprintf("%q", key.Value))).value(value, entry, "")
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), entry)
	})
}

// itemContext calls an entry by its name field, or by its place.
func itemContext(item string, n *yaml.Node, place string) string {
	if item == "" {
		return ""
	}
	if name, _ := field(n, "name"); name != nil && name.Kind == yaml.ScalarNode && name.Value != "" {
		place = fmt.Sprintf("%q", name.Value)
	}
	return item + " " + place
}
