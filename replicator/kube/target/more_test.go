package target

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// requests counts the objects that are sent while fn runs.
func (e *edge) requests(fn func()) int64 {
	e.t.Helper()
	var n atomic.Int64
	config := rest.CopyConfig(e.plane.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch || r.Method == http.MethodDelete {
				n.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	c, err := client.Over(e.t.Context(), config, "test", logger(e.t))
	if err != nil {
		e.t.Fatal(err)
	}
	was := e.cluster.client
	e.cluster.client = c
	defer func() { e.cluster.client = was }()
	fn()
	return n.Load()
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func parkedKeys(changes ...change.Change) []target.ParkedKey {
	var out []target.ParkedKey
	for _, c := range changes {
		out = append(out, target.ParkedKey{Key: c.Key, Put: c.Op == change.Put, Sum: digest.Item(c.Key, c.Value)})
	}
	return out
}

// tryAgain tries a parked change again, which is taken or not.
func (e *edge) tryAgain(c change.Change, taken bool) {
	e.t.Helper()
	again, err := e.Again(e.t.Context(), parkedKeys(c))
	if err != nil {
		e.t.Fatal(err)
	}
	if got := slices.ContainsFunc(again.Taken, func(k []byte) bool { return string(k) == string(c.Key) }); got != taken || len(again.Unknown) > 0 {
		e.t.Errorf("trying %s again: %+v", c.Key, again)
	}
}

func decoded(t testing.TB, c change.Change) map[string]any {
	t.Helper()
	o, err := decode(c.Value)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func unstructuredString(o map[string]any, path ...string) (string, bool, error) {
	return unstructured.NestedString(o, path...)
}

// disturbCursor has the inventory know another cursor than the one that stands
// in the cluster.
func (e *edge) disturbCursor() {
	e.t.Helper()
	if err := e.inventory.noteCursor([]byte("another")); err != nil {
		e.t.Fatal(err)
	}
}
