package object

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var update = flag.Bool("update", false, "write testdata/intent again")

func keyOf(tb testing.TB, word, namespace, name string) Key {
	tb.Helper()
	r, ok := Lookup(word)
	if !ok {
		tb.Fatalf("no resource %s", word)
	}
	return Key{Group: r.Group, Resource: r.Plural, Namespace: namespace, Name: name, Namespaced: namespace != ""}
}

func intent(tb testing.TB, k Key, value []byte) []byte {
	tb.Helper()
	o, err := Decode(k, value)
	if err != nil {
		tb.Fatalf("%s: %v", k, err)
	}
	b, err := Canonical(o.Intent())
	if err != nil {
		tb.Fatalf("%s: %v", k, err)
	}
	return b
}

// checkIntent compares the intent of a stored value with its golden file, and
// the intent of that with itself.
func checkIntent(t *testing.T, file string, k Key, value []byte) {
	t.Helper()
	got := intent(t, k, value)
	if again := intent(t, k, got); !bytes.Equal(got, again) {
		t.Errorf("the intent of the intent is another:\n%s\n%s", got, again)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", "intent", file+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", pretty.Bytes(), want)
	}
}

func TestIntentOfEveryEncodingIsTheSame(t *testing.T) {
	for _, test := range []struct {
		word string
		o    runtime.Object
	}{
		{"configmaps", configMap("shop", "a")},
		{"deployments.apps", deployment("shop", "a")},
		{"pods", pod("shop", "a")},
	} {
		t.Run(test.word, func(t *testing.T) {
			for _, value := range encodings(t, test.o) {
				checkIntent(t, test.word, keyOf(t, test.word, "shop", "a"), value)
			}
		})
	}
}

func service(managed string, change func(*core.ServiceSpec)) *core.Service {
	s := &core.Service{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta.ObjectMeta{Namespace: "shop", Name: "web", UID: "u"}}
	s.Spec = core.ServiceSpec{
		Type: core.ServiceTypeNodePort, ClusterIP: "10.96.0.7", ClusterIPs: []string{"10.96.0.7"},
		IPFamilies: []core.IPFamily{core.IPv4Protocol}, IPFamilyPolicy: ptr(core.IPFamilyPolicySingleStack),
		Ports: []core.ServicePort{
			{Name: "http", Protocol: core.ProtocolTCP, Port: 80, TargetPort: intstr.FromString("http"), NodePort: 30080},
			{Name: "dns", Protocol: core.ProtocolUDP, Port: 80, TargetPort: intstr.FromInt32(53), NodePort: 31234},
		},
	}
	change(&s.Spec)
	s.ManagedFields = []meta.ManagedFieldsEntry{
		{Manager: "kubectl", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: meta.NewFieldsV1(managed)},
		{Manager: "kcm", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1", Subresource: "status", FieldsV1: meta.NewFieldsV1(`{"f:spec":{"f:clusterIP":{}}}`)},
	}
	return s
}

func TestIntentOfAServiceKeepsWhatWasAskedFor(t *testing.T) {
	none := func(*core.ServiceSpec) {}
	for file, s := range map[string]*core.Service{
		"service-allocated": service(`{"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:type":{}}}`, none),
		"service-asked-port": service(`{"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:nodePort":{}},`+
			`"k:{\"port\":80,\"protocol\":\"UDP\"}":{".":{},"f:port":{}}},"f:type":{}}}`, none),
		"service-asked-ip": service(`{"f:spec":{"f:clusterIP":{},"f:ipFamilyPolicy":{},"f:healthCheckNodePort":{}}}`, func(s *core.ServiceSpec) { s.HealthCheckNodePort = 32000 }),
		"service-headless": service(`{}`, func(s *core.ServiceSpec) {
			s.Type, s.ClusterIP, s.ClusterIPs = core.ServiceTypeClusterIP, core.ClusterIPNone, []string{core.ClusterIPNone}
			s.HealthCheckNodePort = 32000
		}),
	} {
		t.Run(file, func(t *testing.T) {
			for _, value := range [][]byte{inProtobuf(t, s), inJSON(t, s)} {
				checkIntent(t, file, keyOf(t, "services", "shop", "web"), value)
			}
		})
	}
}

// Stored values as JSON, each of a kind that needs more than the usual.
func TestIntentOfKinds(t *testing.T) {
	files, err := filepath.Glob("testdata/stored/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			value, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := ReadMeta(value)
			if err != nil {
				t.Fatal(err)
			}
			checkIntent(t, name, keyOf(t, strings.SplitN(name, "_", 2)[0], m.Namespace, m.Name), value)
		})
	}
}

// An API server that stores JSON keeps the kind of an inner object, and one
// that stores protobuf does not.
func TestIntentOfInnerObjectsHasNoKind(t *testing.T) {
	const inner = `"volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"d"},"spec":{}}]`
	k := keyOf(t, "statefulsets.apps", "shop", "db")
	got := intent(t, k, []byte(`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"shop"},"spec":{`+inner+`}}`))
	if bytes.Contains(got, []byte("PersistentVolumeClaim")) {
		t.Errorf("%s", got)
	}
}
