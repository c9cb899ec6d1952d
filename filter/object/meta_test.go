package object

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

var _ labels.Labels = Meta{}

// encodings are all ways to store one object.
func encodings(tb testing.TB, o runtime.Object) map[string][]byte {
	tb.Helper()
	p, j := inProtobuf(tb, o), inJSON(tb, o)
	return map[string][]byte{
		"protobuf": p, "JSON": j, "CBOR": inCBOR(tb, o),
		"protobuf in base64": []byte(base64.StdEncoding.EncodeToString(p)),
		"JSON in base64":     []byte(base64.StdEncoding.EncodeToString(j)),
	}
}

func TestReadMeta(t *testing.T) {
	for encoding, value := range encodings(t, pod("shop", "web")) {
		m, err := ReadMeta(value)
		if err != nil {
			t.Errorf("%s: %v", encoding, err)
			continue
		}
		if m.APIVersion != "v1" || m.Kind != "Pod" || m.Namespace != "shop" || m.Name != "web" || !m.Deleting ||
			!strings.HasPrefix(m.UID, "0f3c2f9e") || m.Controller != (Owner{"ReplicaSet", "web-1"}) {
			t.Errorf("%s: %+v", encoding, m)
		}
		for selector, want := range map[string]bool{
			"app=web,tier in (front,back)": true, "empty=": true, "empty": true, "app!=web": false, "none": false, "!none": true, "tier=back": false,
		} {
			s, err := labels.Parse(selector)
			if err != nil {
				t.Fatal(err)
			}
			if s.Matches(m) != want {
				t.Errorf("%s: %s: %v", encoding, selector, !want)
			}
		}
		if v, ok := m.Annotation("note"); v != "kept" || !ok {
			t.Errorf("%s: annotation %q, %v", encoding, v, ok)
		}
		if _, ok := m.Annotation("app"); ok {
			t.Errorf("%s: a label is no annotation", encoding)
		}
	}
}

func TestReadMetaOfWhatItsKindDecides(t *testing.T) {
	secret := &core.Secret{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Secret"}, Type: core.SecretTypeServiceAccountToken}
	for encoding, value := range encodings(t, secret) {
		if m, err := ReadMeta(value); err != nil || m.secretType != string(core.SecretTypeServiceAccountToken) {
			t.Errorf("%s: %+v, %v", encoding, m, err)
		}
	}
	for encoding, value := range encodings(t, lease("shop", "leader")) {
		if m, err := ReadMeta(value); err != nil || m.holder != "n1" {
			t.Errorf("%s: %+v, %v", encoding, m, err)
		}
	}
}

func TestReadMetaOfProtobufAllocatesNothing(t *testing.T) {
	value := inProtobuf(t, pod("shop", "web"))
	if n := testing.AllocsPerRun(100, func() {
		m, err := ReadMeta(value)
		if err != nil || m.Get("app") != "web" || m.Has("none") || m.Controller.Kind == "" {
			t.Fatal(m, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadMetaRefuses(t *testing.T) {
	whole := inProtobuf(t, configMap("shop", "a"))
	for name, test := range map[string]struct{ value, reason string }{
		"empty":            {"", "no encoding of Kubernetes"},
		"text":             {"hello", `starts with "hello"`},
		"cut protobuf":     {string(whole[:len(whole)-40]), "damaged"},
		"nothing in it":    {"k8s\x00\xff", "envelope"},
		"encrypted":        {"k8s:enc:aescbc:v1:key1:\x00\x01", `encrypted at rest ("aescbc" with the key "key1")`},
		"encrypted by kms": {"k8s:enc:kms:v2:vault:\x00\x01", `"kms" with the key "vault"`},
		"encrypted, cut":   {"k8s:enc:", "unknown provider"},
		"cut JSON":         {`{"metadata":{"name":"a"}`, "damaged"},
		"more than JSON":   {`{"metadata":{"name":"a"}} {}`, "more after the object"},
		"a name twice":     {`{"metadata":{"name":"a","name":"b"}}`, "duplicate"},
		"a number":         {`{"metadata":{"name":7}}`, "/metadata/name is no string"},
		"cut CBOR":         {"\xd9\xd9\xf7\xa1\x64kind", "CBOR"},
	} {
		_, err := ReadMeta([]byte(test.value))
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Reason, test.reason) || r.Try == "" {
			t.Errorf("%s: %v; want a refusal with %q", name, err, test.reason)
		}
	}
}

func FuzzReadMeta(f *testing.F) {
	for _, o := range []runtime.Object{pod("shop", "web"), configMap("shop", "a"), lease("shop", "l")} {
		for _, value := range encodings(f, o) {
			f.Add(value, "app")
		}
	}
	f.Fuzz(func(_ *testing.T, value []byte, label string) {
		m, err := ReadMeta(value)
		if err == nil && m.Has(label) {
			_ = m.Get(label)
		}
	})
}
