package object

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shape is what the Go type of a message says about its fields. It tells which
// fields of a stored value the type knows, and which empty ones mean nothing.
type shape struct {
	members []*member
	numbers map[protowire.Number]*member
	// It says its own kind, which protobuf does not keep of an inner object.
	selfNaming bool
}

// member is one field of a message.
type member struct {
	name string // in JSON; "" when its fields are those of the message around it
	of   *shape // of a message, or of each message of a list or map; or nil
	dict bool   // a map: its entries are messages with a key and a value
	none any    // what null means in a map of lists ([]any{}) or of bytes ("")
	// An empty value of a plain field cannot be told from an absent one in Go.
	plain bool
	// A message that its type calls optional, and that Go writes nevertheless.
	quirk bool
	// The type writes itself, and its fields are its own affair.
	ownJSON, ownProtobuf bool
}

// shapes are those of all types of the scheme that are stored.
var shapes = sync.OnceValue(func() map[reflect.Type]*shape {
	all := map[reflect.Type]*shape{}
	types := scheme().AllKnownTypes()
	for _, r := range sorted {
		if t, ok := types[r.gvk()]; ok {
			shapeOf(t, all)
		}
	}
	shapeOf(types[definitionBeta], all)
	// Servers before Kubernetes 1.24 wrote the name of a cluster, always empty.
	all[reflect.TypeFor[meta.ObjectMeta]()].numbers[15] = &member{name: "clusterName", plain: true}
	return all
})

func shapeOf(t reflect.Type, all map[reflect.Type]*shape) *shape {
	if s, ok := all[t]; ok {
		return s
	}
	s := &shape{numbers: map[protowire.Number]*member{}}
	all[t] = s // before its fields: a type may hold itself
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		number := fieldNumber(f)
		if !f.IsExported() || name == "-" && number == 0 {
			continue
		}
		s.selfNaming = s.selfNaming || f.Type == reflect.TypeFor[meta.TypeMeta]()
		m := memberOf(f.Type, all)
		m.name = strings.TrimPrefix(name, "-")
		m.quirk = m.of != nil && m.plain && strings.Contains(options, "omit")
		if name != "-" {
			s.members = append(s.members, m)
		}
		if number > 0 {
			s.numbers[number] = m
		}
	}
	return s
}

func memberOf(t reflect.Type, all map[reflect.Type]*shape) *member {
	m := &member{plain: true}
	for t.Kind() != reflect.Struct {
		m.ownJSON, m.ownProtobuf = m.ownJSON || writesJSON(t), m.ownProtobuf || writesProtobuf(t)
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			if t == reflect.TypeFor[[]byte]() {
				return m
			}
			m.plain = false
		case reflect.Map:
			m.plain, m.dict = false, true
			if e := t.Elem(); e == reflect.TypeFor[[]byte]() {
				m.none = ""
			} else if e.Kind() == reflect.Slice {
				m.none = []any{}
			}
		default:
			return m
		}
		t = t.Elem()
	}
	m.ownJSON, m.ownProtobuf = m.ownJSON || writesJSON(t), m.ownProtobuf || !hasNumbers(t)
	if !m.ownJSON || !m.ownProtobuf {
		m.of = shapeOf(t, all)
	}
	return m
}

func writesJSON(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]())
}

// writesProtobuf is for a list that is a message of its own.
func writesProtobuf(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && reflect.PointerTo(t).Implements(reflect.TypeFor[message]())
}

func hasNumbers(t reflect.Type) bool {
	return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return len(f.Index) == 1 && fieldNumber(f) > 0 })
}

// fieldNumber is 2 of `protobuf:"bytes,2,opt,name=spec"`, or 0.
func fieldNumber(f reflect.StructField) protowire.Number {
	parts := strings.Split(f.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return 0
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return protowire.Number(n)
}

// tidy takes out of an object, as JSON, what says nothing: null, empty lists
// and maps, and empty messages that Go writes though they are optional. What
// is left does not depend on the encoding that it was stored in.
func (s *shape) tidy(fields map[string]any) {
	for _, m := range s.members {
		if m.name == "" {
			if m.of != nil {
				m.of.tidy(fields)
			}
			continue
		}
		value, ok := fields[m.name]
		if ok && (value == nil || !m.ownJSON && m.tidy(value)) {
			delete(fields, m.name)
		}
	}
}

func (s *shape) tidyInner(fields map[string]any) {
	if s.selfNaming {
		delete(fields, "apiVersion")
		delete(fields, "kind")
	}
	s.tidy(fields)
}

// tidy reports whether the value of the member says nothing.
func (m *member) tidy(value any) (nothing bool) {
	switch v := value.(type) {
	case []any:
		m.each(slices.Values(v))
		return len(v) == 0
	case map[string]any:
		switch {
		case m.dict:
			m.each(maps.Values(v))
			m.fill(v)
			return len(v) == 0
		case m.of != nil:
			m.of.tidyInner(v)
			return len(v) == 0 && m.quirk
		}
	}
	return false
}

// fill says what protobuf says, which has no null.
func (m *member) fill(dict map[string]any) {
	if m.none == nil {
		return
	}
	for key, value := range dict {
		if value == nil {
			dict[key] = m.none
		}
	}
}

func (m *member) each(elements func(yield func(any) bool)) {
	if m.of == nil {
		return
	}
	for e := range elements {
		if fields, ok := e.(map[string]any); ok {
			m.of.tidyInner(fields)
		}
	}
}
