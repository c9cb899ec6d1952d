package raw

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// The tests share one control plane; each has a namespace and a channel of its
// own.
var shared struct {
	once  sync.Once
	plane *kube.Plane
	err   error
	dir   string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.plane != nil {
		if err := shared.plane.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(shared.dir) // what is left of a test is no failure
	os.Exit(code)
}

// controlPlane has the definitions of widgets and zones, and a node.
func controlPlane(t *testing.T) *kube.Plane {
	t.Helper()
	bin := kube.Binaries(t)
	shared.once.Do(func() {
		ctx := context.Background()                                              // of all tests
		if shared.dir, shared.err = os.MkdirTemp("", "raw"); shared.err != nil { //nolint:usetesting // it outlives the test that comes first
			return
		}
		if shared.plane, shared.err = kube.Start(ctx, bin, shared.dir, kube.Options{Nodes: 1}); shared.err != nil {
			return
		}
		var all []map[string]any
		if all, shared.err = kube.ReadManifests("../../../testdata/kubernetes/cluster.yaml"); shared.err != nil {
			return
		}
		for _, o := range all {
			if o["kind"] == "CustomResourceDefinition" && shared.err == nil {
				shared.err = shared.plane.Populate(ctx, []map[string]any{o})
			}
		}
		for _, word := range []string{"widgets.example.com", "zones.example.com"} {
			if shared.err == nil {
				shared.err = served(ctx, shared.plane, word)
			}
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.plane
}

func served(ctx context.Context, p *kube.Plane, word string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.Await(ctx, word+" to be served", func(ctx context.Context) error {
		p.Client().Forget()
		_, err := p.Client().List(ctx, word, "")
		return err
	})
}

// edge is a channel into the control plane.
type edge struct {
	*Target
	t         *testing.T
	plane     *kube.Plane
	client    *kube.Client
	namespace string
	cursor    target.Cursor
}

func newEdge(t *testing.T, further ...string) *edge {
	t.Helper()
	p := controlPlane(t)
	e := &edge{t: t, plane: p, client: p.Client(), namespace: strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}
	e.namespace = e.namespace[:min(len(e.namespace), 60)]
	e.apply("v1", "Namespace", "", e.namespace, nil)
	e.await("the namespace's account", func(ctx context.Context) error {
		_, err := e.client.Get(ctx, "serviceaccounts", e.namespace, "default")
		return err
	})
	e.Target = openRaw(t, p, e.namespace, further...)
	return e
}

// everything are the ranges of all resources.
func everything() (out []change.Range) {
	for _, w := range append(object.Words(), "widgets.example.com", "zones.example.com") {
		out = append(out, change.PrefixRange([]byte(filter.ObjectPrefix+w+"/")))
	}
	return out
}

func openRaw(t *testing.T, p *kube.Plane, channel string, further ...string) *Target {
	t.Helper()
	key := target.CursorKey{Source: "cloud", Channel: channel}
	raw, err := Open(t.Context(), p.Etcd.Client(), key, everything(), target.Limits{}, Options{Further: further}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := raw.Claim(t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
	return raw
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (e *edge) await(what string, ask func(ctx context.Context) error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	if err := e.plane.Await(ctx, what, ask); err != nil {
		e.t.Fatal(err)
	}
}

// object is one with some fields besides.
func of(apiVersion, kind, namespace, name string, fields map[string]any) map[string]any {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	out := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
	for name, value := range fields {
		if m, ok := value.(map[string]any); ok && name == "metadata" {
			maps.Copy(metadata, m)
			continue
		}
		out[name] = value
	}
	return out
}

func (e *edge) apply(apiVersion, kind, namespace, name string, fields map[string]any) {
	e.t.Helper()
	if err := e.plane.Populate(e.t.Context(), []map[string]any{of(apiVersion, kind, namespace, name, fields)}); err != nil {
		e.t.Fatal(err)
	}
}

// intent is an object as JSON, as it is delivered when it is an intent.
func intent(t *testing.T, o map[string]any) []byte {
	t.Helper()
	b, err := object.Canonical(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyOf(o map[string]any, word string) []byte {
	metadata := o["metadata"].(map[string]any)
	key := filter.ObjectPrefix + word + "/"
	if ns, ok := metadata["namespace"].(string); ok {
		key += ns + "/"
	}
	return []byte(key + metadata["name"].(string))
}

func (e *edge) put(word string, o map[string]any) change.Change {
	e.t.Helper()
	return change.Change{Op: change.Put, Key: keyOf(o, word), Value: intent(e.t, o)}
}

func del(key []byte) change.Change { return change.Change{Op: change.Delete, Key: key} }

// commit writes changes with the cursor.
func (e *edge) commit(changes ...change.Change) (int64, error) {
	e.cursor.Revision++
	c := e.cursor
	return e.Commit(e.t.Context(), target.Tx{Changes: changes, Cursor: &c})
}

func (e *edge) write(changes ...change.Change) int64 {
	e.t.Helper()
	rev, err := e.commit(changes...)
	if err != nil {
		e.t.Fatal(err)
	}
	return rev
}

// refuses wants a change not to be written, for that reason, and nothing to be
// written with it.
func (e *edge) refuses(c change.Change, why, reason string) {
	e.t.Helper()
	before := e.revision()
	_, err := e.commit(c)
	refused, asked := e.Refused(e.t.Context(), []change.Change{c})
	switch {
	case err == nil:
		e.t.Errorf("%s is written", c.Key)
	case asked != nil:
		e.t.Error(asked)
	case len(refused) != 1 || refused[0].Why != why || !strings.Contains(refused[0].Err.Error(), reason) || !bytes.Equal(refused[0].Key, c.Key):
		e.t.Errorf("%s is refused: %+v; want %q, %q", c.Key, refused, why, reason)
	case fault.Try(refused[0].Err) == "":
		e.t.Errorf("%s is refused without a remedy", c.Key)
	}
	if found := e.cursorAt(); found > before {
		e.t.Errorf("the cursor was written at %d", found)
	}
}

func (e *edge) revision() int64 {
	e.t.Helper()
	rev, err := e.plane.Revision(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return rev
}

func (e *edge) cursorAt() int64 {
	e.t.Helper()
	resp, err := e.cli.Get(e.t.Context(), e.key.String())
	if err != nil || len(resp.Kvs) != 1 {
		e.t.Fatalf("read the cursor: %v", err)
	}
	return resp.Kvs[0].ModRevision
}

// get is an object as the API server serves it.
func (e *edge) get(word, name string) map[string]any {
	e.t.Helper()
	u, err := e.client.Get(e.t.Context(), word, e.namespace, name)
	if err != nil {
		e.t.Fatal(err)
	}
	return u.Object
}

// holds wants the edge to hold exactly these of the channel.
func (e *edge) holds(want ...change.Change) {
	e.t.Helper()
	got := map[string]string{}
	_, err := e.Scan(e.t.Context(), everything(), func(kvs []change.KV) error {
		for _, kv := range kvs {
			got[string(kv.Key)] = string(kv.Value)
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	expect := map[string]string{}
	for _, c := range want {
		expect[string(c.Key)] = string(c.Value)
	}
	if !maps.Equal(got, expect) {
		e.t.Errorf("the edge holds\n%v\nwant\n%v", got, expect)
	}
}

func field(o map[string]any, path ...string) any {
	for _, name := range path[:len(path)-1] {
		o, _ = o[name].(map[string]any)
	}
	return o[path[len(path)-1]]
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
