package manifest_test

import (
	"testing"

	"github.com/syncer-io/syncer/filter/manifest"
	"github.com/syncer-io/syncer/replicator/fault"
)

// FuzzStored looks for input that panics, or whose mistakes are not those of
// the one who gave it.
func FuzzStored(f *testing.F) {
	f.Add("", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n")
	f.Add("widgets.example.com/a/b", `{"kind": "Widget"}`)
	f.Add("/flags/a", "k8s\x00")
	f.Add("configmap/a", "[")
	f.Fuzz(func(t *testing.T, name, data string) {
		key, _, err := manifest.Stored("object", []byte(data), name, "/registry")
		if err != nil && fault.ExitCode(err) != int(fault.Usage) {
			t.Fatalf("%v", err)
		}
		if err == nil && len(key) == 0 {
			t.Fatal("an object without a key")
		}
	})
}
