package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	objects "github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	kubetarget "github.com/syncer-io/syncer/replicator/kube/target"
	"github.com/syncer-io/syncer/replicator/status"
)

const backPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - {name: back, resources: [configmaps], namespaces: [shop, own], maxDeletePercent: 100}
`

// storedCursor is the ConfigMap of a cursor as an API server stores it.
func storedCursor(t *testing.T, c target.Cursor) (key string, value string) {
	t.Helper()
	k := target.CursorKey{Source: "another", Channel: "one"}
	c.Format, c.Source, c.Channel = target.CursorFormat, k.Source, k.Channel
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	m := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kubetarget.Namespace, Name: kubetarget.CursorName(k), UID: "0-0",
			Labels: map[string]string{"syncer.io/about": "cursor", "syncer.io/source": k.Source, "syncer.io/channel": k.Channel},
		},
		Data: map[string]string{"cursor": string(raw)},
	}
	known := runtime.NewScheme()
	if err := corev1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := protobuf.NewSerializer(known, known).Encode(m, &b); err != nil {
		t.Fatal(err)
	}
	at := objects.Key{Resource: "configmaps", Namespace: m.Namespace, Name: m.Name, Namespaced: true}
	return string(at.StorageKey("/registry")), b.String()
}

func (s *site) refusesOwned(words string) {
	s.t.Helper()
	e := s.report("is refused", func(e status.Edge) bool { return strings.Contains(e.Reason, "importer writes") })
	if !strings.Contains(e.Reason, "/registry/configmaps/shop/") || !strings.Contains(e.Reason, words) || !strings.Contains(e.Try, "namespaces") {
		s.t.Errorf("the report does not help: %q, %q", e.Reason, e.Try)
	}
	if got := s.content(s.target.Client(), "/kubernetes/"); len(got) != 0 {
		s.t.Errorf("the edge holds %v", got)
	}
}

// What an importer writes through the API server is told by the etcd below it,
// too. A namespace of the cluster's own crosses.
func TestOverlappingOwnershipBelowAnAPIServerIsRefused(t *testing.T) {
	t.Parallel()
	held := []change.Range{change.PrefixRange([]byte("/kubernetes/configmaps/shop/"))}
	for what, c := range map[string]struct {
		policy  string
		refused bool
	}{
		"the same namespace": {backPolicy, true},
		"another namespace":  {strings.Replace(backPolicy, "shop, ", "", 1), false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, withPolicy(c.policy))
			key, value := storedCursor(t, target.Cursor{Holds: held})
			s.put(key, value)
			s.put("/registry/configmaps/own/a", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"own"}}`)
			s.startExporter()
			s.startImporter()
			if c.refused {
				s.refusesOwned("source another, channel one")
				return
			}
			at := s.sourceRevision()
			s.report("has it", func(e status.Edge) bool { return e.State == status.InSync && e.VerifiedRevision >= at && e.Keys == 1 })
		})
	}
}

// Nor is what an importer writes past the API server.
func TestOverlappingOwnershipPastAnAPIServerIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, withPolicy(rawPolicy))
	s.edge.Target.Writer = config.WriterRaw
	s.startExporter()
	s.startImporter()
	s.report("is in sync", in(status.InSync))
	back := newSite(t, withPolicy(backPolicy), withSource(s.target))
	back.startExporter()
	back.startImporter()
	back.refusesOwned("source cloud, channel flags")
}

// An importer writes to a real cluster, and exporters of that cluster, on its
// etcd and on its API server, do not send it back.
func TestOverlappingOwnershipOfAKubeClusterIsRefused(t *testing.T) {
	t.Parallel()
	l := newLive(t, livePolicy)
	l.store(objects.Key{Resource: "namespaces", Name: "shop"}, objectOf("v1", "Namespace", "", "shop"))
	l.store(setting("shop", "settings", "1"))
	l.startExporter()
	l.startImporter()
	l.report("is in sync", in(status.InSync))
	for what, how := range map[string]reads{"etcd": readEtcd, "API server": readAPIServer, "both": readBoth} {
		t.Run(what, func(t *testing.T) {
			back := newSite(t, withPolicy(backPolicy), withSource(l.plane.Etcd), readingBy(how(l.plane)))
			back.startExporter()
			back.startImporter()
			back.refusesOwned("/registry/configmaps/shop/")
		})
	}
}
