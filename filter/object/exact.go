package object

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is what the types of Kubernetes do in protobuf.
type message interface {
	Reset()
	Unmarshal(data []byte) error
	Marshal() ([]byte, error)
}

const tryNewer = "use a syncer that knows this version of Kubernetes; until then the object stays at the edge as it is"

// unmarshalExactly fills o, and proves that nothing was lost: the types of
// Kubernetes pass over fields that they do not know, without a word.
func unmarshalExactly(o message, raw []byte) error {
	o.Reset()
	if err := o.Unmarshal(raw); err != nil {
		return refuse(tryRewrite, "the value is damaged: %v", err)
	}
	again, err := o.Marshal()
	if err != nil {
		return fmt.Errorf("encode again: %w", err)
	}
	if bytes.Equal(raw, again) {
		return nil
	}
	// Another version of Kubernetes writes other empty fields. Leave those out
	// on both sides.
	s := shapes()[reflect.TypeOf(o).Elem()]
	stored, err := s.essence(s.withoutStatus(raw), "")
	if err != nil {
		return err
	}
	if kept, err := s.essence(s.withoutStatus(again), ""); err != nil || !bytes.Equal(stored, kept) {
		return refuse(tryNewer, "the value says more than syncer can keep of it")
	}
	return nil
}

// withoutStatus is an object without its status, which is no part of the intent
// and gains fields with every version.
func (s *shape) withoutStatus(object []byte) (rest []byte) {
	w := wire{rest: object}
	for w.next() {
		if m, ok := s.numbers[w.num]; !ok || m.name != "status" {
			rest = append(rest, w.field...)
		}
	}
	return append(rest, w.rest...)
}

// essence is a message without the fields that say nothing. A field that the
// type does not have is a *Refusal that names it; path is that of the message.
func (s *shape) essence(b []byte, path string) (out []byte, err error) {
	w := wire{rest: b}
	for w.next() {
		m, known := s.numbers[w.num]
		if !known {
			return nil, refuse(tryNewer, "%s has a field that syncer does not know (number %d)", orTop(path), w.num)
		}
		field, err := m.essence(w, path)
		if err != nil {
			return nil, err
		}
		out = append(out, field...)
	}
	if w.bad {
		return nil, brokenProtobuf(orTop(path))
	}
	return out, nil
}

// entry is the shape of an entry of a map whose values are m's.
func (m *member) entry() *shape {
	value := &member{name: "*", of: m.of, ownProtobuf: m.ownProtobuf, plain: m.of == nil}
	return &shape{numbers: map[protowire.Number]*member{entryKey: {name: "key"}, entryValue: value}}
}

func (m *member) essence(w wire, path string) ([]byte, error) {
	if m.name != "" {
		path += "." + m.name
	}
	var inner []byte
	var err error
	switch {
	case m.dict:
		inner, err = m.entry().essence(w.bytes, path)
	case m.ownProtobuf: // it has no fields to lose; that it is there is enough
	case m.of != nil:
		inner, err = m.of.essence(w.bytes, path)
	case m.plain && w.bits == 0 && len(w.bytes) == 0:
		return nil, nil
	default:
		return w.field, nil
	}
	if err != nil || m.plain && len(inner) == 0 {
		return nil, err
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, w.num, protowire.BytesType), inner), nil
}

func orTop(path string) string {
	if path == "" {
		return "the object"
	}
	return path[1:]
}

// missing is the path of something in before that after lacks, or "". Both are
// JSON. What is empty is not missed.
func missing(before, after any) string {
	switch b := before.(type) {
	case map[string]any:
		a, _ := after.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(b)) {
			if path := missingMember(name, b[name], a); path != "" {
				return path
			}
		}
	case []any:
		a, _ := after.([]any)
		if len(a) < len(b) {
			return "[" + fmt.Sprint(len(a)) + "]"
		}
		for i := range b {
			if path := missing(b[i], a[i]); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	}
	return ""
}

func missingMember(name string, before any, after map[string]any) string {
	value, ok := after[name]
	if !ok && !empty(before) {
		return "." + name
	}
	if path := missing(before, value); ok && path != "" {
		return "." + name + path
	}
	return ""
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	}
	return false
}
