package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const rawPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: shop
      resources: [configmaps, services]
      namespaces: [shop]
      maxDeletePercent: 100
`

// withTargetPlane is a site whose target is the etcd under an API server.
func withTargetPlane(p *kube.Plane) option { return func(s *site) { s.target = p.Etcd } }

// stored is a ConfigMap as the cloud's API server stores it.
func stored(name, value string) (key, text string) {
	return "/registry/configmaps/shop/" + name, fmt.Sprintf(
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"shop","uid":"cloud-%s","creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"a":%q}}`, name, name, value)
}

// An edge that is written past its API server: what may be written is served
// there, what may not waits with the reason, and what the edge has of its own
// stays.
func TestAnEdgeThatIsWrittenPastItsAPIServer(t *testing.T) {
	t.Parallel()
	plane := kube.New(t, kube.Options{})
	shop := object("v1", "Namespace", "", "shop")
	local := object("v1", "ConfigMap", "shop", "local")
	if err := plane.Populate(t.Context(), []map[string]any{shop, local}); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, withPolicy(rawPolicy), withTargetPlane(plane))
	s.edge.Target.Writer = config.WriterRaw
	s.put(stored("app", "1"))
	s.put(stored("kube-root-ca.crt", "of the cloud"))
	s.put("/registry/services/specs/shop/web", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop","uid":"u"},"spec":{"ports":[{"port":80,"protocol":"TCP"}],"clusterIP":"10.1.2.3"}}`)
	s.startExporter()
	s.startImporter()
	s.report("has parked the Service", func(e status.Edge) bool {
		return e.State == status.Degraded && e.Consistent && e.ParkedKeys == 1 && e.Tier == "etcd (raw)" &&
			strings.Contains(e.Reason, "services are never written past an API server") && strings.Contains(e.Try, "target.kubernetes")
	})
	serves := func(want string) {
		t.Helper()
		s.serves(plane, "app", want)
	}
	serves("1")
	s.put(stored("app", "2"))
	serves("2")

	mark := s.reports.mark()
	same := object("v1", "ConfigMap", "shop", "app")
	same["data"] = map[string]any{"a": "2"}
	if err := plane.Client().Apply(t.Context(), same); err != nil { // the server stores it in its own way
		t.Fatal(err)
	}
	s.put(stored("other", "1"))
	edge := s.reportSince(mark, "has the other one", func(e status.Edge) bool { return e.Consistent && e.Keys == 3 })
	if edge.Mismatches != 0 {
		t.Errorf("that the API server stored it again counts as %d mismatches", edge.Mismatches)
	}
	same["data"] = map[string]any{"a": "edited"}
	if err := plane.Client().Apply(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	serves("2") // put back

	for _, key := range []string{"/registry/configmaps/shop/app", "/registry/services/specs/shop/web"} {
		if _, err := s.source.Client().Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	s.report("is in sync without them", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 1 && e.ParkedKeys == 0 })
	s.serves(plane, "app", "")
	for _, own := range []string{"local", "kube-root-ca.crt"} {
		if u, err := plane.Client().Get(t.Context(), "configmaps", "shop", own); err != nil || fmt.Sprint(u.Object["data"]) == "map[a:of the cloud]" {
			t.Errorf("the edge's own %s: %v, %v", own, u, err)
		}
	}
}

// serves waits until the API server serves a ConfigMap with a value, or none.
func (s *site) serves(p *kube.Plane, name, want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	err := p.Await(ctx, "the ConfigMap "+name, func(ctx context.Context) error {
		u, err := p.Client().Get(ctx, "configmaps", "shop", name)
		switch {
		case apierrors.IsNotFound(errors.Unwrap(err)) && want == "":
			return nil
		case err != nil:
			return err
		}
		if got := field(u.Object, "data")["a"]; got != want {
			return fmt.Errorf("it holds %v; want %q", got, want)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

// A rule with a prefix that reaches into the keys of an API server is refused
// without a single write, raw or not.
func TestAPrefixRuleIsNotWrittenAmongObjects(t *testing.T) {
	t.Parallel()
	const copies = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec: {rules: [{name: all, prefix: /registry/configmaps/, maxDeletePercent: 100}]}
`
	for _, writer := range []string{"", config.WriterRaw} {
		s := newSite(t, withPolicy(copies))
		s.edge.Target.Writer = writer
		s.put(stored("app", "1"))
		held := map[string]string{"/registry/configmaps/shop/local": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"local","namespace":"shop"}}`}
		for key, value := range held {
			s.putTarget(key, value)
		}
		stopExporter, stopImporter := s.startExporter(), s.startImporter()
		s.report("says why it writes nothing", func(e status.Edge) bool {
			return e.State != status.InSync && strings.Contains(e.Reason, "bytes of another cluster") && strings.Contains(e.Try, "resources:")
		})
		stopImporter()
		stopExporter()
		if got := s.content(s.target.Client(), "/registry/"); !same(got, held) {
			t.Errorf("with writer %q the target holds %v", writer, got)
		}
	}
}
