package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// One control plane serves all tests: each has namespaces and a channel of its
// own.
var shared struct {
	dir   string
	once  sync.Once
	plane *kube.Plane
	err   error
	tests atomic.Int64
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "syncer-kube-target-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the folder of temporary files
	shared.dir = dir
	code := m.Run()
	if shared.plane != nil {
		if err := shared.plane.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

func plane(t testing.TB) *kube.Plane {
	t.Helper()
	bin := kube.Binaries(t)
	shared.once.Do(func() {
		shared.plane, shared.err = kube.Start(context.Background(), bin, shared.dir, kube.Options{})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.plane
}

// edge is an importer's side of a cluster, of one test.
type edge struct {
	*Target
	t       testing.TB
	plane   *kube.Plane
	dir     string
	key     target.CursorKey
	ns      string
	cluster *Cluster
	// definitions are custom resources of the test's own, of the group.
	group       string
	definitions []string
}

func newEdge(t testing.TB, definitions ...string) *edge {
	t.Helper()
	// A namespace is no longer than 63 letters.
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	ns := fmt.Sprintf("%s-%d", name[:min(len(name), 40)], shared.tests.Add(1))
	e := &edge{t: t, plane: plane(t), dir: t.TempDir(), ns: ns, group: ns + ".example.com"}
	for _, plural := range definitions {
		e.definitions = append(e.definitions, plural+"."+e.group)
	}
	e.key = target.CursorKey{Source: "cloud", Channel: e.ns}
	e.open()
	return e
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open begins as an importer that starts.
func (e *edge) open() {
	e.t.Helper()
	c, err := client.Over(e.t.Context(), e.plane.Config, "test", logger(e.t))
	if err != nil {
		e.t.Fatal(err)
	}
	e.openWith(c)
}

func (e *edge) openWith(c *client.Client) {
	e.t.Helper()
	cluster, err := New(e.t.Context(), c, e.dir, logger(e.t))
	if err != nil {
		e.t.Fatal(err)
	}
	e.cluster = cluster
	e.t.Cleanup(func() { _ = cluster.Close() })
	e.Target, err = cluster.Open(e.t.Context(), e.key, e.ranges())
	if err != nil {
		e.t.Fatal(err)
	}
	if _, _, err := e.Claim(e.t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		e.t.Fatal(err)
	}
}

// crash ends the importer and begins anew.
func (e *edge) crash() {
	e.t.Helper()
	if err := e.cluster.Close(); err != nil {
		e.t.Fatal(err)
	}
	e.open()
}

// ranges are those of the test's own objects.
func (e *edge) ranges() []change.Range {
	var out []change.Range
	add := func(format string, args ...any) {
		out = append(out, change.PrefixRange(fmt.Appendf(nil, "/kubernetes/"+format, args...)))
	}
	for _, r := range resourceOf {
		if r.Resource != "customresourcedefinitions" {
			add("%s/%s", strings.Trim(r.String(), "."), e.ns)
		}
	}
	for _, d := range e.definitions {
		add("%s/", d)
		add("%s/%s", definitions, d)
	}
	add("configmaps/%s/", Namespace)
	return out
}

// delivered is a change with the value as it would be delivered.
func delivered(o map[string]any) change.Change {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return change.Change{Op: change.Put, Key: keyFor(o), Value: raw}
}

// resourceOf are the resources of the kinds that tests use.
var resourceOf = map[string]schema.GroupResource{
	"Namespace":                      {Resource: "namespaces"},
	"ConfigMap":                      {Resource: "configmaps"},
	"Secret":                         {Resource: "secrets"},
	"Service":                        {Resource: "services"},
	"ResourceQuota":                  {Resource: "resourcequotas"},
	"PersistentVolumeClaim":          {Resource: "persistentvolumeclaims"},
	"Deployment":                     {Group: "apps", Resource: "deployments"},
	"CustomResourceDefinition":       {Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"},
	"ValidatingWebhookConfiguration": {Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"},
}

func keyFor(o map[string]any) []byte {
	u := unstructured.Unstructured{Object: o}
	r, ok := resourceOf[u.GetKind()]
	if !ok {
		group, _, _ := strings.Cut(u.GetAPIVersion(), "/")
		r = schema.GroupResource{Group: group, Resource: strings.ToLower(u.GetKind()) + "s"}
	}
	return keyOf(r, u.GetNamespace(), u.GetName())
}

func thing(apiVersion, kind, ns, name string, more map[string]any) map[string]any {
	metadata := map[string]any{"name": name}
	if ns != "" {
		metadata["namespace"] = ns
	}
	o := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
	for k, v := range more {
		o[k] = v
	}
	return o
}

func namespace(name string) change.Change { return delivered(thing("v1", "Namespace", "", name, nil)) }

func configMap(ns, name, value string) change.Change {
	return delivered(thing("v1", "ConfigMap", ns, name, map[string]any{"data": map[string]any{"a": value}}))
}

func remove(c change.Change) change.Change { return change.Change{Op: change.Delete, Key: c.Key} }

func definition(kind, group string) change.Change {
	plural := strings.ToLower(kind) + "s"
	return delivered(thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", plural+"."+group, map[string]any{"spec": map[string]any{
		"group": group, "scope": "Namespaced",
		"names": map[string]any{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "listKind": kind + "List"},
		"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{
			"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "properties": map[string]any{"size": map[string]any{"type": "integer"}}}},
		}}}},
	}}))
}

func widget(kind, group, ns, name string) change.Change {
	return delivered(thing(group+"/v1", kind, ns, name, map[string]any{"spec": map[string]any{"size": 1}}))
}

// commit makes changes at a revision of the source.
func (e *edge) commit(revision int64, changes ...change.Change) error {
	_, err := e.Commit(e.t.Context(), target.Tx{Changes: changes, Cursor: &target.Cursor{Revision: revision}})
	return err
}

func (e *edge) mustCommit(revision int64, changes ...change.Change) {
	e.t.Helper()
	if err := e.commit(revision, changes...); err != nil {
		e.t.Fatal(err)
	}
}

// rejected is what a commit says that the server refuses, by key.
func rejected(t testing.TB, err error) map[string]target.Refused {
	t.Helper()
	var no *target.Rejected
	if !errors.As(err, &no) {
		t.Fatalf("nothing is refused: %v", err)
	}
	out := map[string]target.Refused{}
	for _, r := range no.Refused {
		out[string(r.Key)] = r
	}
	return out
}

// live is the object of a change, nil when there is none.
func (e *edge) live(c change.Change) *unstructured.Unstructured {
	e.t.Helper()
	n, _ := parseKey(c.Key)
	u, err := e.plane.Client().Get(e.t.Context(), n.word, n.namespace, n.name)
	if meta.IsNoMatchError(err) {
		e.plane.Client().Forget()
		u, err = e.plane.Client().Get(e.t.Context(), n.word, n.namespace, n.name)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return u
}

// edit is what somebody at the edge does to an object.
func (e *edge) edit(c change.Change, patch string) {
	e.t.Helper()
	n, _ := parseKey(c.Key)
	m, err := e.client.Resource(e.t.Context(), n.word)
	if err != nil {
		e.t.Fatal(err)
	}
	h := head{Group: m.Resource.Group, Version: m.Resource.Version, Resource: m.Resource.Resource, Namespaced: n.namespaced}
	_, err = e.resource(h, n.namespace).Patch(e.t.Context(), n.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *edge) deleteAtEdge(c change.Change) {
	e.t.Helper()
	n, _ := parseKey(c.Key)
	if err := e.plane.Client().Delete(e.t.Context(), n.word, n.namespace, n.name); err != nil {
		e.t.Fatal(err)
	}
}

// within gives up after a while.
func (e *edge) within(what string, ask func() error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 30*time.Second)
	defer cancel()
	if err := e.plane.Await(ctx, what, func(context.Context) error { return ask() }); err != nil {
		e.t.Fatal(err)
	}
}

// holds is what a scan of everything gives.
func (e *edge) holds() map[string]string {
	e.t.Helper()
	out := map[string]string{}
	_, err := e.Scan(e.t.Context(), e.ranges(), func(kvs []change.KV) error {
		for _, kv := range kvs {
			out[string(kv.Key)] = string(kv.Value)
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

func (e *edge) inventoryFile() string { return filepath.Join(e.dir, "inventory.db") }
