package object

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func bytesField(num protowire.Number, parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), all)
}

func labelField(key, value string) []byte {
	return bytesField(metaLabels, bytesField(entryKey, []byte(key)), bytesField(entryValue, []byte(value)))
}

// Fields of protobuf may come in any order, and a map's entries need not follow
// each other.
func TestReadMetaOfScatteredFields(t *testing.T) {
	long := strings.Repeat("v", 200) // its length takes two bytes
	metadata := bytesField(objectMeta,
		labelField("a", "1"), bytesField(metaName, []byte("x")), labelField("b", long),
		bytesField(metaAnnotations, bytesField(entryKey, []byte("c")), bytesField(entryValue, []byte("3"))),
		bytesField(metaNamespace, []byte("shop")), labelField("a", "2"),
	)
	value := append([]byte("k8s\x00"), bytesField(unknownRaw, metadata)...)
	m, err := ReadMeta(value)
	if err != nil || m.Name != "x" || m.Namespace != "shop" {
		t.Fatalf("got %+v, %v", m, err)
	}
	for label, want := range map[string]string{"a": "2", "b": long, "c": "", "d": ""} {
		if got, ok := m.Lookup(label); got != want || ok != (want != "") {
			t.Errorf("label %s is %q, %t", label, got, ok)
		}
	}
	if got, ok := m.Annotation("c"); got != "3" || !ok {
		t.Errorf("annotation c is %q, %t", got, ok)
	}
}
