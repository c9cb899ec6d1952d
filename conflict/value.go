package conflict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// nothing is the value of a field that is not there, which is not null.
type nothing struct{}

var absent = nothing{}

// readObject is a value as JSON, numbers as they are written, or absent. What
// JSON leaves open, such as a name that is there twice, is an error: nothing
// that is merged may lose a part without a word.
func readObject(v Value) (any, error) {
	if !v.Present {
		return absent, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(v.Bytes))
	if d.PeekKind() != '{' {
		if !jsontext.Value(v.Bytes).IsValid() {
			return absent, errors.New("no JSON")
		}
		return absent, errors.New("JSON, but no object with fields")
	}
	out, err := readAny(d)
	if err == nil && len(bytes.TrimSpace(v.Bytes[d.InputOffset():])) > 0 {
		err = errors.New("there is more after the object")
	}
	if err != nil {
		return absent, fmt.Errorf("no JSON that has one meaning (%s)", strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	return out, nil
}

func readAny(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return readMap(d)
	case '[':
		return readList(d)
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default:
		return nil, nil //nolint:nilnil // JSON's null
	}
}

func readMap(d *jsontext.Decoder) (any, error) {
	out := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String() // before the next token takes its place
		if out[key], err = readAny(d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return out, err
}

func readList(d *jsontext.Decoder) (any, error) {
	out := []any{}
	for d.PeekKind() != ']' {
		e, err := readAny(d)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	_, err := d.ReadToken()
	return out, err
}

// canonical is an object in the bytes in which objects are delivered: in one
// line, members sorted by name, nothing escaped that JSON does not make escape.
func canonical(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // it was read from JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// same reports whether both are objects and equal.
func same(a, b any) bool { return isObject(a) && isObject(b) && equal(a, b) }

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// member is a field of v, or absent.
func member(v any, name string) any {
	fields, _ := v.(map[string]any)
	if f, ok := fields[name]; ok {
		return f
	}
	return absent
}
