package target

import (
	"encoding/json"
	"reflect"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/syncer-io/syncer/replicator/change"
)

// Whatever is delivered is either an object at its own key or refused.
func FuzzParsePut(f *testing.F) {
	f.Add([]byte("/kubernetes/configmaps/shop/a"), []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`))
	f.Add([]byte("/kubernetes/namespaces/shop"), []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","annotations":null}}`))
	f.Add([]byte("/kubernetes/x"), []byte(`null`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		p, no := parsePut(change.Change{Op: change.Put, Key: key, Value: value})
		if (p == nil) == (no == nil) {
			t.Fatal("it is neither taken nor refused, or both")
		}
		if p == nil {
			return
		}
		before, err := json.Marshal(p.object)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(p.sent("cloud/flags", "u", "1")); err != nil {
			t.Fatal(err)
		}
		if after, err := json.Marshal(p.object); err != nil || string(after) != string(before) {
			t.Errorf("sending it changed it to %s, %v", after, err)
		}
	})
}

// What an object shows of itself is itself, whatever fields are owned, as long
// as no list has items that its keys do not tell apart.
func FuzzShaped(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2]},"c":[]}`), []byte(`{"f:a":{"f:b":{}}}`))
	f.Add([]byte(`{"p":[{"containerPort":80,"protocol":"TCP","name":"x"}]}`), []byte(`{"f:p":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}}}`))
	f.Add([]byte(`{"s":["a","b"]}`), []byte(`{"f:s":{"v:\"a\"":{},"v:\"b\"":{}}}`))
	f.Fuzz(func(t *testing.T, object, fields []byte) {
		var o map[string]any
		if utiljson.Unmarshal(object, &o) != nil || o == nil {
			return
		}
		owned, err := fieldSet(fields)
		if err != nil {
			return
		}
		_ = extracted(o, owned)
		now := shaped(o, o, owned)
		if reflect.DeepEqual(now, any(o)) && !reflect.DeepEqual(overlaid(o, o, now), any(o)) {
			t.Errorf("unchanged it is %v", now)
		}
		if _, ok := now.(map[string]any); !ok {
			t.Errorf("an object shows as %v", now)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	good, err := body{Applied: []byte(`{"a":1}`), Fields: []byte(`{"f:a":{}}`)}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := decodeBody(raw)
		if err != nil {
			return
		}
		if _, err := b.encode(); err != nil && b.Applied != nil {
			t.Error(err)
		}
	})
}
