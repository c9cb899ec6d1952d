package change_test

import (
	"bytes"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// schema holds the messages of frame.proto.
type schema struct {
	protoreflect.MessageDescriptors
}

func readSchema(t *testing.T) schema {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
	files, err := compiler.Compile(t.Context(), "frame.proto")
	if err != nil {
		t.Fatal(err)
	}
	return schema{files[0].Messages()}
}

// object is a message as the schema sees it: every field that is set, by name.
type object map[protoreflect.Name]any

// decode reads b by the schema alone and refuses what the schema does not know.
func (s schema) decode(t *rapid.T, name protoreflect.Name, b []byte) object {
	m := dynamicpb.NewMessage(s.ByName(name))
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%s by the schema: %v", name, err)
	}
	return objectOf(t, m)
}

func objectOf(t *rapid.T, m protoreflect.Message) object {
	if u := m.GetUnknown(); len(u) != 0 {
		t.Fatalf("%s has fields that the schema does not know: %x", m.Descriptor().Name(), u)
	}
	out := object{}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList():
			var list []object
			for i := range v.List().Len() {
				list = append(list, objectOf(t, v.List().Get(i).Message()))
			}
			out[f.Name()] = list
		case f.Kind() == protoreflect.EnumKind:
			out[f.Name()] = int32(v.Enum())
		default:
			out[f.Name()] = v.Interface()
		}
		return true
	})
	return out
}

// encode writes o by the schema alone, in the canonical order of fields.
func (s schema) encode(t *rapid.T, name protoreflect.Name, o object) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(messageOf(s.ByName(name), o))
	if err != nil {
		t.Fatalf("%s by the schema: %v", name, err)
	}
	return b
}

func messageOf(d protoreflect.MessageDescriptor, o object) *dynamicpb.Message {
	m := dynamicpb.NewMessage(d)
	for name, v := range o {
		f := d.Fields().ByName(name)
		switch v := v.(type) {
		case []object:
			list := m.Mutable(f).List()
			for _, item := range v {
				list.Append(protoreflect.ValueOfMessage(messageOf(f.Message(), item)))
			}
		case int32:
			m.Set(f, protoreflect.ValueOfEnum(protoreflect.EnumNumber(v)))
		default:
			m.Set(f, protoreflect.ValueOf(v))
		}
	}
	return m
}

// conforms proves that the codec and the schema write the same bytes for the
// same value, so that each reads what the other writes.
func conforms[T any](s schema, name protoreflect.Name, draw func(*rapid.T) T, encode func(T) []byte, describe func(T) object) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := draw(t)
			ours, want := encode(v), describe(v).withoutZeros()
			if got := s.decode(t, name, ours); !equal(got, want) {
				t.Fatalf("by the schema our bytes are\n%v\nwant\n%v", got, want)
			}
			if theirs := s.encode(t, name, want); !bytes.Equal(ours, theirs) {
				t.Fatalf("ours   %x\nschema %x", ours, theirs)
			}
		})
	}
}

func TestSchemaConformance(t *testing.T) {
	s := readSchema(t)
	t.Run("Frame", conforms(s, "Frame", drawFrame, change.EncodeFrame, frameObject))
	t.Run("Changes", conforms(s, "Changes", drawChangesets, change.EncodeChanges, changesObject))
	t.Run("State", conforms(s, "State", drawState, change.EncodeState, stateObject))
	t.Run("Page", conforms(s, "Page", drawPage, change.EncodePage, pageObject))
	t.Run("Chunk", conforms(s, "Chunk", drawChunk, change.EncodeChunk, chunkObject))
	t.Run("Finding", conforms(s, "Finding", drawFinding, change.EncodeFinding, findingObject))
	t.Run("Command", conforms(s, "Command", drawJSON, change.EncodeCommand, commandObject))
}

// The names of the kinds are those of the schema.
func TestSchemaKinds(t *testing.T) {
	kinds := readSchema(t).ByName("Frame").Fields().ByName("kind").Enum().Values()
	for i := 1; i < kinds.Len(); i++ {
		want := "KIND_" + string(bytes.ToUpper([]byte(change.Kind(kinds.Get(i).Number()).String())))
		if got := string(kinds.Get(i).Name()); got != want {
			t.Errorf("kind %d is %s in the schema, %s in the code", i, got, want)
		}
	}
	if last := change.Kind(kinds.Len() - 1); last != change.KindFinding {
		t.Errorf("the last kind of the schema is %v", last)
	}
}
