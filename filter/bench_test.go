package filter

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

type item struct{ key, value []byte }

// storedMix is what an API server stores of a busy cluster, in its proportions:
// mostly pods and leases.
func storedMix(b *testing.B) []item {
	b.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			b.Fatal(err)
		}
	}
	serializer := protobuf.NewSerializer(scheme, scheme)
	var out []item
	add := func(resource string, gvk schema.GroupVersionKind, namespace, name string, o runtime.Object) {
		o.GetObjectKind().SetGroupVersionKind(gvk)
		value, err := runtime.Encode(serializer, o)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, item{fmt.Appendf(nil, "/registry/%s/%s/%s", resource, namespace, name), value})
	}
	for i := range 1000 {
		namespace, name := fmt.Sprintf("team-%d", i%20), fmt.Sprintf("app-%d", i)
		meta := metav1.ObjectMeta{
			Name: name, Namespace: namespace, UID: "7c0f3a54-1f0e-4c3b-9a52-4a0f7b1d2e3c", CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0)),
			Labels:      map[string]string{"app": name, "tier": []string{"web", "db", "debug"}[i%3], "sync": fmt.Sprint(i%2 == 0)},
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(make([]byte, 600))},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Apply", APIVersion: "v1",
				FieldsV1: metav1.NewFieldsV1(string(make([]byte, 900)))}},
		}
		pod := corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example.com/app:1", Env: make([]corev1.EnvVar, 10)}}}
		switch i % 10 {
		case 0:
			add("deployments", appsv1.SchemeGroupVersion.WithKind("Deployment"), namespace, name,
				&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: pod}}})
		case 1, 2:
			add("configmaps", corev1.SchemeGroupVersion.WithKind("ConfigMap"), namespace, name,
				&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"config": string(make([]byte, 1000))}})
		case 3, 4, 5:
			add("leases", coordinationv1.SchemeGroupVersion.WithKind("Lease"), namespace, name, &coordinationv1.Lease{ObjectMeta: meta})
		default:
			add("pods", corev1.SchemeGroupVersion.WithKind("Pod"), namespace, name, &corev1.Pod{ObjectMeta: meta, Spec: pod})
		}
	}
	return out
}

// BenchmarkDecide decides about stored objects by prefix, namespace and labels,
// on one core, without making what is delivered.
func BenchmarkDecide(b *testing.B) {
	p := Policy{APIVersion: APIVersion, Kind: KindPolicy, Metadata: Metadata{Name: "bench"}, Spec: Spec{Rules: []Rule{
		{Prefix: "/registry/leases/team-1/"},
		{Resources: []string{"configmaps", "deployments.apps", "pods"}, Namespaces: []string{"team-1*", "team-5"}, Labels: "sync=true,tier in (web,db)"},
		{Resources: []string{"*"}, Names: []string{"shop-*"}},
		{Resources: []string{"*", "pods"}, Labels: "tier=debug", ExceptNamespaces: []string{"team-7"}},
	}}}
	s, err := Compile(p, DefaultCluster)
	if err != nil {
		b.Fatal(err)
	}
	items := storedMix(b)
	passes := 0
	b.ReportAllocs()
	for b.Loop() {
		for _, it := range items {
			if s.decides(it.key, it.value) {
				passes++
			}
		}
	}
	b.ReportMetric(float64(b.N*len(items))/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(float64(passes)/float64(b.N*len(items)), "selected/decision")
}

// decides is Take without what is delivered.
func (s *Selection) decides(key, value []byte) bool {
	seg := s.segment(key)
	if seg == nil {
		return false
	}
	found := sighting{prefix: s.cluster.Prefix, key: key, value: value}
	for _, r := range seg.ranges {
		o := s.objects[r.Place]
		if o == nil {
			return true
		}
		if d := o.decide(r, &found); d.step != mismatched {
			return d.step == passed
		}
	}
	return false
}
