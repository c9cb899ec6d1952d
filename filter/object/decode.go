package object

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/json"
)

// Object is one object of the source, completely read.
type Object struct {
	Key    Key
	fields map[string]any
	shape  *shape // nil for what has no Go type: custom resources, APIServices
}

// Fields are all that the source holds, as JSON values: nil, bool, int64,
// float64, string, []any and map[string]any. A custom resource definition is
// shown in the version that API servers serve. The caller must not write to it.
func (o Object) Fields() map[string]any { return o.fields }

// Decode reads the value that is stored under k. The error is a *Refusal when
// the value is encrypted, damaged, of a version or with a field that syncer
// does not know, or when it is another object than its key says.
func Decode(k Key, value []byte) (Object, error) {
	s, err := open(value)
	if err != nil {
		return Object{}, err
	}
	o := Object{Key: k}
	r := byWord[k.Word()]
	switch {
	case r == nil || !scheme().Recognizes(r.gvk()):
		o.fields, err = decodeUntyped(k, r, s)
	default:
		o.fields, o.shape, err = decodeTyped(*r, s)
	}
	if err != nil {
		return Object{}, err
	}
	return o, o.isAt(k)
}

func decodeTyped(r Resource, s stored) (map[string]any, *shape, error) {
	apiVersion, kind, err := s.typeMeta()
	if err != nil {
		return nil, nil, err
	}
	gvk, err := r.check(apiVersion, kind)
	if err != nil {
		return nil, nil, err
	}
	typed, err := scheme().New(gvk)
	if err != nil {
		return nil, nil, fmt.Errorf("make a %s: %w", gvk, err)
	}
	if err := s.into(typed); err != nil {
		return nil, nil, err
	}
	if gvk == definitionBeta {
		if typed, err = definitionToV1(typed); err != nil {
			return nil, nil, err
		}
	}
	typed.GetObjectKind().SetGroupVersionKind(r.gvk())
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, nil, refuse(tryRewrite, "the value cannot be said in JSON: %v", err)
	}
	sh := shapes()[reflect.TypeOf(typed).Elem()]
	sh.tidy(fields)
	return fields, sh, nil
}

func (s stored) typeMeta() (apiVersion, kind string, err error) {
	if s.json == nil {
		e, err := openEnvelope(s.protobuf)
		return string(e.apiVersion), string(e.kind), err
	}
	m, err := metaOfJSON(s.json)
	return m.APIVersion, m.Kind, err
}

// check compares what a value calls itself with the resource of its key.
func (r Resource) check(apiVersion, kind string) (schema.GroupVersionKind, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || gv.Version == "" || gv.Group != r.Group || kind != r.Kind {
		return schema.GroupVersionKind{}, refuse(tryRewrite, "the key is one of %s, and the value is a %q of %q", r.Word, kind, apiVersion)
	}
	gvk := gv.WithKind(kind)
	if gvk != r.gvk() && gvk != definitionBeta {
		return schema.GroupVersionKind{}, refuse(
			"have the API server store it again in "+r.gvk().GroupVersion().String()+" (a StorageVersionMigration, or kubectl get … -o yaml | kubectl replace -f -)",
			"the value is stored in %s, and syncer reads %s of this resource only", apiVersion, r.gvk().GroupVersion())
	}
	return gvk, nil
}

// into decodes into a Go type, and proves that the type has all of it.
func (s stored) into(typed runtime.Object) error {
	if s.json != nil {
		return jsonInto(s.json, typed)
	}
	e, err := openEnvelope(s.protobuf)
	if err != nil {
		return err
	}
	m, ok := typed.(message)
	if !ok {
		return refuse(tryRewrite, "a %T has no protobuf", typed)
	}
	return unmarshalExactly(m, e.raw)
}

func jsonInto(value []byte, typed runtime.Object) error {
	strict, err := json.UnmarshalStrict(value, typed)
	if err != nil {
		return refuse(tryRewrite, "the value is damaged: %v", err)
	}
	for _, err := range strict {
		var f json.FieldError
		if !errors.As(err, &f) || !strings.HasPrefix(f.FieldPath(), "status.") {
			return refuse(tryNewer, "the value has what syncer does not know: %v", err)
		}
	}
	path, err := lost(value, typed)
	if err == nil && path != "" {
		err = refuse(tryNewer, "the value has what syncer does not know: unknown field %q", path)
	}
	return err
}

// lost is the path of what JSON says and the type that it was read into does
// not, or "": some types read parts of themselves less strictly. The status is
// left out.
func lost(value []byte, typed runtime.Object) (string, error) {
	before, err := decodeJSON(value)
	if err != nil {
		return "", err
	}
	delete(before, "status")
	after, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return "", refuse(tryRewrite, "the value cannot be said in JSON: %v", err)
	}
	return strings.TrimPrefix(missing(before, after), "."), nil
}

func decodeJSON(value []byte) (fields map[string]any, err error) {
	strict, err := json.UnmarshalStrict(value, &fields)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	if err != nil {
		return nil, refuse(tryRewrite, "the value is damaged: %v", err)
	}
	return fields, nil
}

// decodeUntyped reads a custom resource, or one whose type is not at hand.
func decodeUntyped(k Key, r *Resource, s stored) (map[string]any, error) {
	if s.json == nil {
		return nil, refuse(tryRewrite, "the value is protobuf, which no %s is stored in", k.Word())
	}
	fields, err := decodeJSON(s.json)
	if err != nil {
		return nil, err
	}
	apiVersion, _ := fields["apiVersion"].(string)
	kind, _ := fields["kind"].(string)
	if r != nil {
		_, err := r.check(apiVersion, kind)
		return fields, err
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || gv.Group != k.Group || gv.Version == "" || kind == "" {
		return nil, refuse(tryRewrite, "the key is one of %s, and the value is a %q of %q", k.Word(), kind, apiVersion)
	}
	return fields, nil
}

// isAt compares the names in the object with those in its key.
func (o Object) isAt(k Key) error {
	metadata, _ := o.fields["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	namespace, _ := metadata["namespace"].(string)
	return (&Meta{Namespace: namespace, Name: name}).At(k)
}
