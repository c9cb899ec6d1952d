package e2e

import (
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/replicator/status"
)

const syncedPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  defaults: {maxDeletePercent: 100}
  rules:
    - name: shop
      resources: [configmaps]
      namespaces: [shop]
      labels: sync=true
`

func configMap(name, sync string) (key, value string) {
	return "/registry/configmaps/shop/" + name, fmt.Sprintf(
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"sync":%q},"name":%q,"namespace":"shop","uid":"u"},"data":{"a":"b"}}`, sync, name)
}

func (s *site) putConfigMap(name, sync string) { s.put(configMap(name, sync)) }

func (s *site) objects() map[string]string { return s.content(s.target.Client(), "/kubernetes/") }

// An object that is selected no more leaves the edge, and one that is comes, in
// deltas as well as in comparisons.
func TestObjectsEnterAndLeave(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(syncedPolicy))
	s.putConfigMap("stays", "true")
	s.putConfigMap("leaves", "true")
	s.putConfigMap("enters", "false")
	stopExporter := s.startExporter()
	s.startImporter()
	s.report("is in sync with two objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 2 })
	s.putConfigMap("leaves", "false")
	s.putConfigMap("enters", "true")
	s.until("the edge holds what is selected", func() bool {
		d := s.objects()
		_, stays := d["/kubernetes/configmaps/shop/stays"]
		_, enters := d["/kubernetes/configmaps/shop/enters"]
		return len(d) == 2 && stays && enters
	})
	stopExporter()
	s.remove(s.indexFile())
	s.putConfigMap("enters", "false")
	s.startExporter()
	s.until("the edge holds what is selected after the index was lost", func() bool { return len(s.objects()) == 1 })
	s.report("is in sync", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 1 })
}

// What cannot be read at the source any more stays at the edge as it was, and
// the edge says so, until it can be read again.
func TestRefusedObjectStays(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(syncedPolicy))
	s.putConfigMap("app", "true")
	s.putConfigMap("other", "true")
	stopExporter := s.startExporter()
	s.startImporter()
	s.report("is in sync with two objects", func(e status.Edge) bool { return e.State == status.InSync && e.Keys == 2 })
	before := s.objects()
	s.put("/registry/configmaps/shop/app", "k8s:enc:aescbc:v1:k1:x")
	s.report("is degraded", func(e status.Edge) bool { return e.State == status.Degraded && e.Refused == 1 })
	s.exporterReport("names the object", func(e status.Exporter) bool {
		return len(e.Channels) == 1 && e.Channels[0].Refused != nil && e.Channels[0].Refused.First[0].Key == "/registry/configmaps/shop/app"
	})
	stopExporter()
	s.remove(s.indexFile())
	s.startExporter()
	mark := s.reports.mark()
	s.reportSince(mark, "is degraded after the index was lost", func(e status.Edge) bool { return e.State == status.Degraded && e.Refused == 1 })
	if after := s.objects(); len(after) != 2 || after["/kubernetes/configmaps/shop/app"] != before["/kubernetes/configmaps/shop/app"] {
		t.Errorf("the edge holds %v, before %v", after, before)
	}
	s.putConfigMap("app", "true")
	s.report("is in sync again", in(status.InSync))
	if after := s.objects(); len(after) != 2 {
		t.Errorf("the edge holds %v", after)
	}
}
