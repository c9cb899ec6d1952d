package raw

import (
	"bytes"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// Whatever is delivered, and whatever stands there: what is written can be read,
// is shown as it was delivered, carries a UID, and keeps that of the object that
// it replaces.
func FuzzPut(f *testing.F) {
	const cm = `{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"x","namespace":"shop"}}`
	f.Add([]byte(cm), []byte(nil))
	f.Add([]byte(cm), []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"shop","uid":"u","finalizers":["a/b"],"annotations":{"b":"c"}},"data":{"a":"2"}}`))
	f.Add([]byte(cm), []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"shop","uid":"u"},"immutable":true}`))
	f.Add([]byte("k8s\x00"), []byte("k8s:enc:aescbc:v1:k:x"))
	f.Add([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"shop","annotations":{"syncer.io/raw":"y"}}}`), []byte("k8s\x00\n\x0f\n\x02v1\x12\tConfigMap"))
	t := &Target{keys: keys{"/registry"}, key: target.CursorKey{Source: "cloud", Channel: "shop"}}
	k := object.Key{Resource: "configmaps", Namespace: "shop", Name: "x", Namespaced: true}
	f.Fuzz(func(test *testing.T, value, old []byte) {
		ns := &mvccpb.KeyValue{Value: []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`)}
		j := &judging{t: t, state: state{values: map[string]*mvccpb.KeyValue{"/registry/namespaces/shop": ns}}}
		o := &objectChange{judging: j, k: k, at: t.stored(k), old: old}
		o.Change = change.Change{Op: change.Put, Key: delivered(k), Value: value}
		if len(old) == 0 {
			o.old = nil
		}
		v := o.put()
		if v.why != "" || unknown(value) {
			return
		}
		back, err := t.show(k, o.Key, v.change.Value)
		if err != nil || !back.ours || !bytes.Equal(back.value, value) {
			test.Fatalf("%q is written as %q and shown as %q, %v", value, v.change.Value, back.value, err)
		}
		m, err := object.ReadMeta(v.change.Value)
		if err != nil || m.UID == "" || m.Deleting {
			test.Fatalf("%q is written as %q: %v", value, v.change.Value, err)
		}
		if was, err := object.ReadMeta(o.old); err == nil && was.UID != "" && was.UID != m.UID {
			test.Fatalf("the UID of %q changes in %q", old, v.change.Value)
		}
	})
}
