package object

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// mixed are stored values of the kinds that clusters write most.
func mixed(b *testing.B, encode func(testing.TB, runtime.Object) []byte) (keys, values [][]byte) {
	b.Helper()
	for _, o := range []struct {
		word string
		o    runtime.Object
	}{
		{"deployments.apps", deployment("shop", "web")},
		{"pods", pod("shop", "web")},
		{"configmaps", configMap("shop", "web")},
		{"leases.coordination.k8s.io", lease("shop", "web")},
	} {
		keys = append(keys, keyOf(b, o.word, "shop", "web").StorageKey("/registry"))
		values = append(values, encode(b, o.o))
	}
	return keys, values
}

// BenchmarkDecide does what can be decided on metadata: which object, may it
// cross, do its labels match.
func BenchmarkDecide(b *testing.B) {
	selector, err := labels.Parse("app=web,tier!=back")
	if err != nil {
		b.Fatal(err)
	}
	for name, encode := range map[string]func(testing.TB, runtime.Object) []byte{"protobuf": inProtobuf, "json": inJSON, "cbor": inCBOR} {
		keys, values := mixed(b, encode)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i, taken := 0, 0
			for b.Loop() {
				k, err := ParseKey("/registry", keys[i])
				if err != nil {
					b.Fatal(err)
				}
				m, err := ReadMeta(values[i])
				if err != nil {
					b.Fatal(err)
				}
				if _, withheld := Withheld(k, m); !withheld && selector.Matches(m) {
					taken++
				}
				i = (i + 1) % len(values)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

func BenchmarkReadMeta(b *testing.B) {
	_, values := mixed(b, inProtobuf)
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % len(values) {
		if m, err := ReadMeta(values[i]); err != nil || m.Get("app") != "web" {
			b.Fatal(m, err)
		}
	}
}

func BenchmarkIntent(b *testing.B) {
	for name, encode := range map[string]func(testing.TB, runtime.Object) []byte{"protobuf": inProtobuf, "json": inJSON} {
		value := encode(b, deployment("shop", "web"))
		k := keyOf(b, "deployments.apps", "shop", "web")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = intent(b, k, value)
			}
		})
	}
}
