package object

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// envelopeOf is a stored value with this object in protobuf.
func envelopeOf(t *testing.T, apiVersion, kind string, raw []byte) []byte {
	t.Helper()
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	b, err := u.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(protobufMagic), b...)
}

func marshal(t *testing.T, m message) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// field is a message, or text, as a field of the message around it.
func field(number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
}

// deploymentWith has something more in the spec of its Pods.
func deploymentWith(t *testing.T, more []byte) []byte {
	t.Helper()
	d := deployment("shop", "web")
	podSpec := append(marshal(t, &d.Spec.Template.Spec), more...)
	spec := field(3, field(2, podSpec)) // template, spec
	return envelopeOf(t, "apps/v1", "Deployment", append(field(1, marshal(t, &d.ObjectMeta)), field(2, spec)...))
}

func TestDecodeRefuses(t *testing.T) {
	configMaps, deployments := keyOf(t, "configmaps", "shop", "a"), keyOf(t, "deployments.apps", "shop", "web")
	widgets := keyOf(t, "widgets.example.com", "shop", "a")
	definitions := keyOf(t, "customresourcedefinitions.apiextensions.k8s.io", "", "widgets.example.com")
	stored := inProtobuf(t, configMap("shop", "a"))
	for name, test := range map[string]struct {
		key    Key
		value  string
		reason string
	}{
		"encrypted":                {configMaps, "k8s:enc:aesgcm:v1:key1:x", `encrypted at rest ("aesgcm" with the key "key1")`},
		"no encoding":              {configMaps, "hello", "no encoding of Kubernetes"},
		"cut":                      {configMaps, string(stored[:len(stored)-60]), "damaged"},
		"another name":             {keyOf(t, "configmaps", "shop", "b"), string(stored), `named "a" in the namespace "shop"`},
		"another namespace":        {keyOf(t, "configmaps", "prod", "a"), string(stored), `the key names configmaps prod/a`},
		"another kind":             {keyOf(t, "secrets", "shop", "a"), string(stored), `one of secrets, and the value is a "ConfigMap" of "v1"`},
		"another group":            {deployments, `{"apiVersion":"extensions/v1beta1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}`, `one of deployments.apps`},
		"an old version":           {deployments, `{"apiVersion":"apps/v1beta1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}`, `stored in apps/v1beta1, and syncer reads apps/v1`},
		"no version":               {configMaps, `{"kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`, `"ConfigMap" of ""`},
		"no name":                  {configMaps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop"}}`, `named ""`},
		"no metadata":              {configMaps, `{"apiVersion":"v1","kind":"ConfigMap"}`, `named ""`},
		"unknown field, protobuf":  {deployments, string(deploymentWith(t, field(99, []byte("x")))), "spec.template.spec has a field that syncer does not know (number 99)"},
		"unknown, and empty":       {deployments, string(deploymentWith(t, field(99, nil))), "spec.template.spec has a field that syncer does not know (number 99)"},
		"unknown field, JSON":      {deployments, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{"template":{"spec":{"future":1}}}}`, `unknown field "spec.template.spec.future"`},
		"field in other case":      {configMaps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"Data":{}}`, `unknown field "Data"`},
		"a field twice":            {configMaps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{},"data":{}}`, `duplicate`},
		"deep in a schema":         {definitions, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"versions":[{"schema":{"openAPIV3Schema":{"type":"array","items":{"future":true}}}}]}}`, `unknown field "spec.versions[0].schema.openAPIV3Schema.items.future"`},
		"custom, another group":    {widgets, `{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"}}`, "one of widgets.example.com"},
		"custom, no group":         {widgets, `{"apiVersion":"v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"}}`, "one of widgets.example.com"},
		"custom, no kind":          {widgets, `{"apiVersion":"example.com/v1","metadata":{"name":"a","namespace":"shop"}}`, `a ""`},
		"custom, another name":     {widgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b","namespace":"shop"}}`, `named "b"`},
		"custom, a list":           {widgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":[]}`, `named ""`},
		"custom, a field twice":    {widgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"},"spec":{"a":1,"a":2}}`, "duplicate"},
		"custom, in protobuf":      {widgets, string(envelopeOf(t, "example.com/v1", "Widget", nil)), "which no widgets.example.com is stored in"},
		"cluster-scoped, but isnt": {keyOf(t, "widgets.example.com", "", "a"), `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"}}`, `in the namespace "shop"`},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := Decode(test.key, []byte(test.value))
			var r *Refusal
			if !errors.As(err, &r) || !strings.Contains(r.Reason, test.reason) || r.Try == "" {
				t.Errorf("%v, %v; want a refusal with %q", o.fields, err, test.reason)
			}
		})
	}
}

func TestDecodeTakesCustomResourcesInCBOR(t *testing.T) {
	k := keyOf(t, "widgets.example.com", "shop", "a")
	js := []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop","uid":"u"},"spec":{"big":9007199254740993,"half":0.5,"whole":3,"list":[null,{}],"text":"<a&b>"},"status":{}}`)
	o, err := Decode(k, js)
	if err != nil {
		t.Fatal(err)
	}
	cb := inCBOR(t, &unstructured.Unstructured{Object: o.fields})
	if a, b := intent(t, k, js), intent(t, k, cb); !bytes.Equal(a, b) {
		t.Errorf("JSON and CBOR have different intents:\n%s\n%s", a, b)
	}
}

// Clusters live long: a value that another version of Kubernetes wrote lacks
// fields that today's types always write, and has an empty one that is gone.
func TestDecodeTakesValuesOfOlderServers(t *testing.T) {
	key := keyOf(t, "configmaps", "shop", "a")
	value := func(metadata []byte) []byte { return envelopeOf(t, "v1", "ConfigMap", field(1, metadata)) }
	metadata := func(more ...[]byte) []byte {
		return bytes.Join(append([][]byte{field(1, []byte("a")), field(3, []byte("shop")), field(5, []byte("u"))}, more...), nil)
	}
	managed := bytes.Join([][]byte{field(1, []byte("kubectl")), field(2, []byte("Update")), field(3, []byte("v1")), field(6, []byte("FieldsV1"))}, nil)
	for name, old := range map[string][]byte{
		"few fields":                   metadata(),
		"managedFields of before 1.22": metadata(field(17, managed)), // no subresource
		"clusterName":                  metadata(field(15, nil)),
	} {
		if _, err := Decode(key, value(old)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decode(key, value(metadata(field(15, []byte("x"))))); err == nil {
		t.Error("a cluster name is lost")
	}
}

func TestDecodeLetsTheStatusBeNewer(t *testing.T) {
	d := deployment("shop", "web")
	status := append(marshal(t, &d.Status), field(99, []byte("x"))...)
	raw := append(field(1, marshal(t, &d.ObjectMeta)), field(2, marshal(t, &d.Spec))...)
	key := keyOf(t, "deployments.apps", "shop", "web")
	if _, err := Decode(key, envelopeOf(t, "apps/v1", "Deployment", append(raw, field(3, status)...))); err != nil {
		t.Error(err)
	}
	if _, err := Decode(key, []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"status":{"future":1,"conditions":[{"future":1}]}}`)); err != nil {
		t.Error(err)
	}
}

func TestCanonicalRefusesWhatJSONCannotSay(t *testing.T) {
	for _, v := range []any{"\xff", []any{map[string]any{"\xff": 1}}, func() {}} {
		var r *Refusal
		if b, err := Canonical(map[string]any{"v": v}); !errors.As(err, &r) {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	words := []string{"configmaps", "deployments.apps", "services", "widgets.example.com", "customresourcedefinitions.apiextensions.k8s.io"}
	s := &core.Service{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: fields("shop", "a"), Spec: core.ServiceSpec{Ports: []core.ServicePort{{Port: 80}}}}
	for i, o := range []runtime.Object{configMap("shop", "a"), deployment("shop", "a"), s} {
		for _, value := range encodings(f, o) {
			f.Add(uint8(i), value)
		}
	}
	f.Add(uint8(3), []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"},"spec":{"a":[1,0.5,null]}}`))
	f.Add(uint8(4), []byte(`{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","metadata":{"name":"a"},"spec":{"version":"v1","validation":{"openAPIV3Schema":{}}}}`))
	f.Fuzz(func(t *testing.T, word uint8, value []byte) {
		r, _ := Lookup(words[int(word)%len(words)])
		k := Key{Group: r.Group, Resource: r.Plural, Name: "a"}
		if r.Namespaced || r.Custom {
			k.Namespace, k.Namespaced = "shop", true
		}
		o, err := Decode(k, value)
		if err != nil {
			return
		}
		once, err := Canonical(o.Intent())
		if err != nil {
			return
		}
		if again := intent(t, k, once); !bytes.Equal(once, again) {
			t.Fatalf("the intent of the intent is another:\n%s\n%s", once, again)
		}
	})
}
