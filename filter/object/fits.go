package object

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"sigs.k8s.io/json"
)

// Fits says in what an object, as JSON, is none of a resource: it has a field
// that its type does not have, or a value of another type. Metadata is checked
// like the rest, names are not. Nothing is known of custom resources.
func Fits(word string, text []byte) error {
	r := byWord[word]
	if r == nil || !scheme().Recognizes(r.gvk()) {
		return nil
	}
	typed, err := scheme().New(r.gvk())
	if err != nil {
		return fmt.Errorf("make a %s: %w", r.gvk(), err)
	}
	strict, err := json.UnmarshalStrict(text, typed)
	if err != nil {
		return misfit(text, typed, err)
	}
	if len(strict) > 0 {
		var f json.FieldError
		if errors.As(strict[0], &f) {
			return noField(f.FieldPath())
		}
		return strict[0]
	}
	path, err := lost(text, typed)
	if err == nil && path != "" {
		err = noField(path)
	}
	return err
}

func noField(path string) error {
	return fmt.Errorf("there is no field %s", path)
}

// misfit says which value is of another type, in words. The decoder of the
// standard library fails at the same place, and tells it.
func misfit(text []byte, typed any, err error) error {
	var wrong *stdjson.UnmarshalTypeError
	if !errors.As(stdjson.Unmarshal(text, typed), &wrong) || wrong.Field == "" {
		return err
	}
	return fmt.Errorf("%s takes %s, not %s", wrong.Field, typeInWords(wrong.Type), valueInWords(wrong.Value))
}

func typeInWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	}
	return t.String()
}

var valueWords = map[string]string{"string": "text", "bool": "true or false", "array": "a list", "object": "a mapping", "number": "a number"}

// valueInWords keeps the number of "number 1.5".
func valueInWords(value string) string {
	if word, ok := valueWords[value]; ok {
		return word
	}
	return strings.TrimPrefix(value, "number ")
}

// Lacks finds the first of the names, which lead to a field, that objects of a
// resource have no field for, and the names of the fields that there are
// instead. Places in lists are left out of the names. What no type says, such
// as the fields of custom resources, may be there.
func Lacks(word string, names []string) (at int, instead []string, lacks bool) {
	r := byWord[word]
	if r == nil || !scheme().Recognizes(r.gvk()) {
		return 0, nil, false
	}
	s := shapes()[scheme().AllKnownTypes()[r.gvk()]]
	for at := 0; at < len(names); at++ {
		m := s.member(names[at])
		switch {
		case m == nil:
			return at, s.memberNames(), true
		case m.dict:
			at++ // the key is anybody's choice
		}
		if s = m.of; s == nil || m.ownJSON {
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// member is the field with a name in JSON, or nil.
func (s *shape) member(name string) *member {
	for _, m := range s.members {
		switch {
		case m.name == name:
			return m
		case m.name == "" && m.of != nil:
			if inner := m.of.member(name); inner != nil {
				return inner
			}
		}
	}
	return nil
}

// memberNames are the names of all fields in JSON.
func (s *shape) memberNames() (names []string) {
	for _, m := range s.members {
		switch {
		case m.name != "":
			names = append(names, m.name)
		case m.of != nil:
			names = append(names, m.of.memberNames()...)
		}
	}
	return names
}
