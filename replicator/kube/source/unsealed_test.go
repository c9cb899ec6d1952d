package source

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const encryption = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets, configmaps]
    providers:
      - aesgcm: {keys: [{name: k1, secret: c2VjcmV0IGlzIHNlY3VyZSwgb3Igbm90IHNvLiAxMjM=}]}
      - identity: {}
`

const withSecrets = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: some}
spec:
  rules:
    - name: some
      resources: [configmaps, secrets, widgets.example.com]
      namespaces: [shop]
      allowSecrets: true
`

func encrypted(t *testing.T) *kube.Plane {
	t.Helper()
	config := t.TempDir() + "/encryption.yaml"
	if err := os.WriteFile(config, []byte(encryption), 0o600); err != nil {
		t.Fatal(err)
	}
	return small(t, kube.Options{APIServer: []string{"--encryption-provider-config=" + config}})
}

func secret(name, value string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]any{"name": name, "namespace": "shop"},
		"stringData": map[string]any{"value": value},
	}
}

func unseal(t *testing.T, p *kube.Plane, s *filter.Selection, o Options) *Unsealed {
	t.Helper()
	return Unseal(below(p, s), connect(t, p.Config), kube.Root, s.SourceRanges(), o, slog.New(slog.DiscardHandler))
}

// Every revision of an object that is encrypted at rest is told as what it was,
// also when the object is another one or gone by the time it is read.
func TestEncryptedValuesComeThroughTheServer(t *testing.T) {
	p := encrypted(t)
	sel := compile(t, withSecrets)
	u := unseal(t, p, sel, Options{})
	start := revisionOf(t, p)
	want := ""
	for i := range 5 {
		apply(t, p, configMap("c", fmt.Sprint(i)))
		want += fmt.Sprintf("c %d\n", i)
		apply(t, p, secret("s", fmt.Sprint(i)))
		want += fmt.Sprintf("s %d\n", i)
	}
	remove(t, p, "configmaps", "c")
	want += "c is gone\n"
	end := revisionOf(t, p)

	f := follow(t, u, start+1)
	got := ""
	for _, r := range f.reach(u, end) {
		for _, e := range r.Events {
			got += shown(t, e)
		}
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	api := open(t, p, sel, Options{})
	for _, r := range sel.SourceRanges() {
		items, rev, err := u.Read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		same(t, sel, r, items, at(t, api, r, rev))
		var scanned []etcd.Item
		if _, _, err := u.Scan(t.Context(), r, func(part []etcd.Item) error { scanned = append(scanned, part...); return nil }); err != nil {
			t.Fatal(err)
		}
		same(t, sel, r, scanned, items)
		for _, it := range items {
			err := u.Fetch(t.Context(), [][]byte{it.Key}, func(found []etcd.Item, _ [][]byte, _ int64) error {
				same(t, sel, r, found, []etcd.Item{it})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func shown(t *testing.T, e etcd.Event) string {
	t.Helper()
	k, err := object.ParseKey(kube.Root, e.Key)
	if err != nil {
		t.Fatal(err)
	}
	if e.Op == change.Delete {
		return k.Name + " is gone\n"
	}
	o, err := object.Decode(k, e.Value)
	if err != nil {
		t.Fatal(err)
	}
	value := o.Fields()["data"].(map[string]any)["value"].(string)
	return fmt.Sprintf("%s %s\n", k.Name, strings.NewReplacer("MA==", "0", "MQ==", "1", "Mg==", "2", "Mw==", "3", "NA==", "4").Replace(value))
}

// Resources that are not named stay encrypted, and are refused by whoever reads
// them.
func TestOnlyNamedResourcesAreUnsealed(t *testing.T) {
	p := encrypted(t)
	sel := compile(t, withSecrets)
	apply(t, p, secret("s", "1"))
	u := unseal(t, p, sel, Options{Only: []string{"secrets"}})
	for _, r := range sel.SourceRanges() {
		items, _, err := u.Read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if got, want := object.Encrypted(it.Value), strings.Contains(string(it.Key), "/configmaps/"); got != want {
				t.Errorf("%s is encrypted: %v", it.Key, got)
			}
		}
	}
}

// The API server of another cluster is not believed.
func TestServerOfAnotherCluster(t *testing.T) {
	p, other := encrypted(t), encrypted(t)
	sel := compile(t, withSecrets)
	u := Unseal(below(p, sel), connect(t, other.Config), kube.Root, sel.SourceRanges(), Options{}, slog.New(slog.DiscardHandler))
	for _, r := range sel.SourceRanges() {
		items, _, err := u.Source.Read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 || !object.Encrypted(items[0].Value) {
			continue
		}
		_, _, err = u.Read(t.Context(), r)
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.Usage || !strings.Contains(err.Error(), "another cluster") {
			t.Errorf("%v: %v", r, err)
		}
	}
}
