package object

import (
	"bytes"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// Values as an API server stores them, in each encoding.

func inProtobuf(tb testing.TB, o runtime.Object) []byte {
	tb.Helper()
	return encode(tb, protobuf.NewSerializer(scheme(), scheme()), o)
}

func inJSON(tb testing.TB, o runtime.Object) []byte {
	tb.Helper()
	return encode(tb, json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme(), scheme(), json.SerializerOptions{}), o)
}

func inCBOR(tb testing.TB, o runtime.Object) []byte {
	tb.Helper()
	return encode(tb, cbor.NewSerializer(scheme(), scheme()), o)
}

func encode(tb testing.TB, e runtime.Encoder, o runtime.Object) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := e.Encode(o, &b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func ptr[T any](v T) *T { return &v }

// fields is metadata with all that a server writes beside what was asked for.
func fields(namespace, name string) meta.ObjectMeta {
	return meta.ObjectMeta{
		Namespace: namespace, Name: name, UID: "0f3c2f9e-0001-4c8e-9f4e-000000000001", Generation: 3,
		CreationTimestamp: meta.Unix(1_790_000_000, 0),
		Labels:            map[string]string{"app": name, "tier": "front", "empty": ""},
		Annotations:       map[string]string{"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
		Finalizers:        []string{"example.com/keep"},
		ManagedFields: []meta.ManagedFieldsEntry{{
			Manager: "kubectl", Operation: "Update", APIVersion: "v1", Time: ptr(meta.Unix(1_790_000_000, 0)),
			FieldsType: "FieldsV1", FieldsV1: meta.NewFieldsV1(`{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:tier":{}}},"f:spec":{"f:replicas":{}}}`),
		}},
	}
}

func configMap(namespace, name string) *core.ConfigMap {
	return &core.ConfigMap{
		TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: fields(namespace, name),
		Data: map[string]string{"a": "1", "html": "<&>"}, BinaryData: map[string][]byte{"b": {0, 1, 255}},
	}
}

func deployment(namespace, name string) *apps.Deployment {
	return &apps.Deployment{
		TypeMeta: meta.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: fields(namespace, name),
		Spec: apps.DeploymentSpec{
			Replicas: ptr(int32(2)), Selector: &meta.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"app": name}},
				Spec: core.PodSpec{
					NodeName:   "n1",
					Containers: []core.Container{{Name: "web", Image: "web:1"}},
					Volumes:    []core.Volume{{Name: "tmp", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}}},
				},
			},
		},
		Status: apps.DeploymentStatus{Replicas: 2},
	}
}

func pod(namespace, name string) *core.Pod {
	p := &core.Pod{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: fields(namespace, name)}
	p.OwnerReferences = []meta.OwnerReference{
		{APIVersion: "example.com/v1", Kind: "Team", Name: "a", UID: "1"},
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", UID: "2", Controller: ptr(true)},
	}
	p.DeletionTimestamp = ptr(meta.Unix(1_790_000_001, 0))
	p.Spec.Containers = deployment(namespace, name).Spec.Template.Spec.Containers
	return p
}

func lease(namespace, name string) *coordination.Lease {
	return &coordination.Lease{
		TypeMeta: meta.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, ObjectMeta: fields(namespace, name),
		Spec: coordination.LeaseSpec{HolderIdentity: ptr("n1"), RenewTime: ptr(meta.NewMicroTime(time.Unix(1_790_000_000, 1000)))},
	}
}
