package object

import (
	"os"
	"strconv"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	extensionsfuzzer "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/fuzzer"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensionsbeta "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/meta"
	genericfuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/randfill"
)

// seed is that of SYNCER_SEED, or one per run, which a failure prints.
func seed(t *testing.T) int64 {
	t.Helper()
	n := int64(os.Getpid())
	if s := os.Getenv("SYNCER_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("SYNCER_SEED=%d", n)
		}
	})
	return n
}

func filler(t *testing.T) *randfill.Filler {
	t.Helper()
	codecs := serializer.NewCodecFactory(scheme())
	return randfill.NewWithSeed(seed(t)).NilChance(.3).NumElements(0, 2).MaxDepth(30).
		Funcs(genericfuzzer.Funcs(codecs)...).Funcs(extensionsfuzzer.Funcs(codecs)...)
}

// store gives the object a name that a key can have.
func store(t *testing.T, r Resource, o runtime.Object) Key {
	t.Helper()
	m, err := meta.Accessor(o)
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Group: r.Group, Resource: r.Plural, Name: "a", Namespaced: r.Namespaced}
	if r.Namespaced {
		k.Namespace = "shop"
	}
	m.SetName(k.Name)
	m.SetNamespace(k.Namespace)
	m.SetUID("0f3c2f9e")
	return k
}

func TestRandomObjectsOfEveryKind(t *testing.T) {
	f := filler(t)
	for _, r := range Resources() {
		if !scheme().Recognizes(r.gvk()) || r.gvk().Group == extensions.GroupName {
			continue
		}
		t.Run(r.Word, func(t *testing.T) {
			for range 20 {
				o, err := scheme().New(r.gvk())
				if err != nil {
					t.Fatal(err)
				}
				f.Fill(o)
				k := store(t, r, o)
				o.GetObjectKind().SetGroupVersionKind(r.gvk())
				checkEncodings(t, k, inProtobuf(t, o), inJSON(t, o))
			}
		})
	}
}

func TestRandomDefinitionsOfBothVersions(t *testing.T) {
	f := filler(t)
	r := *byWord["customresourcedefinitions.apiextensions.k8s.io"]
	for range 100 {
		var internal apiextensions.CustomResourceDefinition
		f.Fill(&internal)
		internal.Spec.Conversion = &apiextensions.CustomResourceConversion{Strategy: apiextensions.NoneConverter}
		k := store(t, r, &internal)
		// As an API server does: asked in v1, stored in v1beta1.
		var v1 extensions.CustomResourceDefinition
		var asked apiextensions.CustomResourceDefinition
		var beta extensionsbeta.CustomResourceDefinition
		for _, step := range [][2]any{{&internal, &v1}, {&v1, &asked}, {&asked, &beta}} {
			if err := scheme().Convert(step[0], step[1], nil); err != nil {
				t.Fatal(err)
			}
		}
		v1.SetGroupVersionKind(r.gvk())
		beta.SetGroupVersionKind(definitionBeta)
		checkEncodings(t, k, inJSON(t, &v1), inJSON(t, &beta))
		checkEncodings(t, k, inProtobuf(t, &v1), inProtobuf(t, &beta))
	}
}
