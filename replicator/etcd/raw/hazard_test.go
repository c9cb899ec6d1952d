package raw

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// What happens now with everything that is known to go wrong when objects are
// written past an API server. What the default way does about each is in
// hazarddefault_test.go.

// with is an object with more in its metadata.
func with(o map[string]any, metadata map[string]any) map[string]any {
	maps.Copy(o["metadata"].(map[string]any), metadata)
	return o
}

// One undecodable value fails the LIST of its resource for the whole edge, and
// silences every watch of it.
func TestHazardAnUndecodableValue(t *testing.T) {
	e := newEdge(t)
	at := keyOf(configMap(e.namespace, "bad", ""), "configmaps")
	deployment := of("apps/v1", "Deployment", e.namespace, "bad", nil)
	for name, row := range map[string]struct{ value, reason string }{
		"garbage":                         {"\x01\x02\x03", "in no encoding of Kubernetes"},
		"cut off":                         {`{"apiVersion":"v1","kind":"ConfigMap"`, "damaged"},
		"ciphertext":                      {"k8s:enc:aescbc:v1:key1:\x17\x03", "encrypted at rest"},
		"ciphertext of a later provider":  {"k8s:enc:new:v9:key1:\x17\x03", "encrypted at rest"},
		"a version that nobody knows":     {`{"apiVersion":"v99","kind":"ConfigMap","metadata":{"name":"bad","namespace":"` + e.namespace + `"}}`, "stored in v99"},
		"another kind":                    {string(jsonOf(t, deployment)), `the value is a "Deployment"`},
		"a field that nobody knows":       {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bad","namespace":"` + e.namespace + `"},"later":1}`, "does not know"},
		"another object":                  {string(intent(t, configMap(e.namespace, "other", ""))), "the key names"},
		"old bytes in base64":             {base64.StdEncoding.EncodeToString(intent(t, configMap(e.namespace, "bad", ""))), "not in the form"},
		"bytes of the cloud's API server": {"k8s\x00\n\x0f\n\x02v1\x12\tConfigMap", "the key names"},
	} {
		t.Run(name, func(t *testing.T) {
			e.t = t
			e.refuses(change.Change{Op: change.Put, Key: at, Value: []byte(row.value)}, status.Invalid, row.reason)
		})
	}
	e.t = t
	if _, err := e.client.List(t.Context(), "configmaps", ""); err != nil {
		t.Errorf("LIST of all: %v", err)
	}
}

// An ownerReference to an absent UID is a delete order, carried out in 0.1 s; and
// whatever else one cluster decided is no fact of another.
func TestHazardFactsOfAnotherCluster(t *testing.T) {
	e := newEdge(t)
	owner := []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "1"}}
	for name, row := range map[string]struct {
		metadata map[string]any
		reason   string
	}{
		"a foreign ownerReference":     {map[string]any{"ownerReferences": owner}, "metadata.ownerReferences"},
		"a deletionTimestamp":          {map[string]any{"deletionTimestamp": "2026-01-01T00:00:00Z"}, "metadata.deletionTimestamp"},
		"a foreign UID":                {map[string]any{"uid": "1"}, "metadata.uid"},
		"finalizers that nobody runs":  {map[string]any{"finalizers": []any{"example.com/cloud"}}, "metadata.finalizers"},
		"the managers of the cloud":    {map[string]any{"managedFields": []any{map[string]any{"manager": "kubectl"}}}, "metadata.managedFields"},
		"a generation that was seen":   {map[string]any{"generation": int64(7)}, "metadata.generation"},
		"the time of its creation":     {map[string]any{"creationTimestamp": "2026-01-01T00:00:00Z"}, "metadata.creationTimestamp"},
		"a mark that is not ours":      {map[string]any{"annotations": map[string]any{Mark: "cloud/other:/x"}}, "losing"},
		"a lock of a leader election":  {map[string]any{"annotations": map[string]any{"control-plane.alpha.kubernetes.io/leader": "{}"}}, "lock of a leader election"},
		"what another object controls": {map[string]any{"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "1", "controller": true}}}, "makes and keeps it"},
	} {
		t.Run(name, func(t *testing.T) {
			e.t = t
			e.refuses(e.put("configmaps", with(configMap(e.namespace, "cm", "1"), row.metadata)), status.Invalid, row.reason)
		})
	}
}

// A resource that breaks when it is written past an API server is not written,
// whatever edge.yaml says.
func TestHazardResourcesThatAreNeverWritten(t *testing.T) {
	never := []struct {
		hazard, word, apiVersion, kind string
		cluster                        bool
		fields                         map[string]any
		reason                         string
	}{
		{"a Service never gets an address", "services", "v1", "Service", false, map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}}, "never get an address"},
		{"a Service with a clusterIP of another range", "services", "v1", "Service", false, map[string]any{"spec": map[string]any{"clusterIP": "10.1.2.3"}}, "never get an address"},
		{"a Service with a nodePort that is handed out again", "services", "v1", "Service", false, map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80), "nodePort": int64(30080)}}}}, "never get an address"},
		{"a Pod bound to a node that the edge lacks", "pods", "v1", "Pod", false, map[string]any{"spec": map[string]any{"nodeName": "absent"}}, "a node which the edge lacks"},
		{"a Node that is not there and Ready", "nodes", "v1", "Node", true, nil, "fact of one cluster"},
		{"an EndpointSlice that the edge's controller deletes", "endpointslices.discovery.k8s.io", "discovery.k8s.io/v1", "EndpointSlice", false, nil, "fact of one cluster"},
		{"Endpoints", "endpoints", "v1", "Endpoints", false, nil, "fact of one cluster"},
		{"an Event that never expires", "events", "v1", "Event", false, nil, "fact of one cluster"},
		{"a Lease that takes a leader's place", "leases.coordination.k8s.io", "coordination.k8s.io/v1", "Lease", false, nil, "lock"},
		{"a Bound PVC is Lost", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", false, map[string]any{"spec": map[string]any{"volumeName": "absent"}}, "lost for good"},
		{"a PV names a disk of the cloud", "persistentvolumes", "v1", "PersistentVolume", true, nil, "disk of one cluster"},
		{"a Job selects by the cloud's UID", "jobs.batch", "batch/v1", "Job", false, nil, "no selector"},
		{"a ReplicaSet of the cloud's Deployment", "replicasets.apps", "apps/v1", "ReplicaSet", false, nil, "makes its own"},
		{"a CRD", "customresourcedefinitions.apiextensions.k8s.io", "apiextensions.k8s.io/v1", "CustomResourceDefinition", true, nil, "whether all objects of it can be read"},
		{"an APIService breaks discovery", "apiservices.apiregistration.k8s.io", "apiregistration.k8s.io/v1", "APIService", true, nil, "discovery"},
		{"a webhook locks the edge out", "validatingwebhookconfigurations.admissionregistration.k8s.io", "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", true, nil, "out of itself"},
		{"an IPAddress of the allocator", "ipaddresses.networking.k8s.io", "networking.k8s.io/v1", "IPAddress", true, nil, "of one cluster"},
	}
	var words []string
	for _, row := range never {
		words = append(words, row.word) // naming them changes nothing
	}
	e := newEdge(t, words...)
	for _, row := range never {
		t.Run(row.hazard, func(t *testing.T) {
			e.t = t
			namespace := e.namespace
			if row.cluster {
				namespace = ""
			}
			o := of(row.apiVersion, row.kind, namespace, "x", row.fields)
			e.refuses(e.put(row.word, o), status.Invalid, row.reason)
			if err := MayName(row.word); err == nil {
				t.Errorf("rawResources may name %s", row.word)
			}
		})
	}
}

// Nobody validates what is written: a Deployment whose selector does not match
// would be stored. The short list keeps such objects out unless they are named.
func TestHazardNobodyValidates(t *testing.T) {
	e := newEdge(t)
	for _, word := range []string{"deployments.apps", "namespaces", "serviceaccounts", "cronjobs.batch", "roles.rbac.authorization.k8s.io"} {
		r := map[string]map[string]any{
			"deployments.apps":                of("apps/v1", "Deployment", e.namespace, "x", nil),
			"namespaces":                      of("v1", "Namespace", "", e.namespace, nil),
			"serviceaccounts":                 of("v1", "ServiceAccount", e.namespace, "x", nil),
			"cronjobs.batch":                  of("batch/v1", "CronJob", e.namespace, "x", nil),
			"roles.rbac.authorization.k8s.io": of("rbac.authorization.k8s.io/v1", "Role", e.namespace, "x", nil),
		}[word]
		e.refuses(e.put(word, r), status.Invalid, "unless they are named")
	}
}

// Quota, admission and schemas are passed by: what the API would refuse is
// stored and served. That is what the warning at the start is about.
func TestHazardAdmissionIsPassedBy(t *testing.T) {
	e := newEdge(t)
	e.apply("v1", "ResourceQuota", e.namespace, "one", map[string]any{"spec": map[string]any{"hard": map[string]any{"count/configmaps": "1"}}})
	for i := range 3 {
		e.write(e.put("configmaps", configMap(e.namespace, fmt.Sprint("cm-", i), "1")))
	}
	against := of("example.com/v1", "Widget", e.namespace, "odd", map[string]any{"spec": map[string]any{"size": "large"}})
	e.write(e.put("widgets.example.com", against))
	if got := field(e.get("widgets.example.com", "odd"), "spec", "size"); got != "large" {
		t.Errorf("against its schema it is served as %v", got)
	}
}

// An object without a UID is replaced by the next apply and cannot be updated;
// ours has one, and can.
func TestHazardAnObjectWithoutUID(t *testing.T) {
	e := newEdge(t)
	e.write(e.put("configmaps", configMap(e.namespace, "a", "1")), e.put("configmaps", configMap(e.namespace, "b", "1")))
	a, b := field(e.get("configmaps", "a"), "metadata", "uid"), field(e.get("configmaps", "b"), "metadata", "uid")
	if a == nil || a == b {
		t.Errorf("the UIDs are %v and %v", a, b) // the collector's graph is keyed by them
	}
	labels := of("v1", "ConfigMap", e.namespace, "a", map[string]any{"metadata": map[string]any{"labels": map[string]any{"l": "1"}}})
	if _, err := e.client.ApplyAs(t.Context(), "person", labels); err != nil {
		t.Fatal(err)
	}
	now := e.get("configmaps", "a")
	if field(now, "data", "a") != "1" || field(now, "metadata", "uid") != a {
		t.Errorf("after an apply it is %v", now)
	}
}

// A UID that changes in place leaves dependents behind that nobody collects, and
// makes tokens of running Pods worthless.
func TestHazardAUIDIsNeverChangedInPlace(t *testing.T) {
	e := newEdge(t)
	e.apply("v1", "ConfigMap", e.namespace, "cm", map[string]any{"data": map[string]any{"a": "local"}})
	e.apply("example.com/v1", "Widget", e.namespace, "w", map[string]any{"spec": map[string]any{"size": int64(9)}})
	was, wasWidget := e.get("configmaps", "cm"), e.get("widgets.example.com", "w")
	all := []change.Change{e.put("configmaps", configMap(e.namespace, "cm", "cloud")), e.put("widgets.example.com", widget(e.namespace, "w", 1))}
	e.write(all...)
	for _, o := range []struct{ was, now map[string]any }{{was, e.get("configmaps", "cm")}, {wasWidget, e.get("widgets.example.com", "w")}} {
		for _, name := range []string{"uid", "creationTimestamp"} {
			if field(o.was, "metadata", name) != field(o.now, "metadata", name) {
				t.Errorf("%s was %v and is %v", name, field(o.was, "metadata", name), field(o.now, "metadata", name))
			}
		}
	}
	e.holds(all...)
}

// A deletion that the edge began is not undone, and finalizers that the edge set
// stay; an object with some is not deleted past them.
func TestHazardFinalizersAndDeletions(t *testing.T) {
	e := newEdge(t)
	put := e.put("configmaps", configMap(e.namespace, "cm", "1"))
	e.write(put)
	guarded := of("v1", "ConfigMap", e.namespace, "cm", map[string]any{"metadata": map[string]any{"finalizers": []any{"example.com/edge"}}})
	if _, err := e.client.ApplyAs(t.Context(), "controller", guarded); err != nil {
		t.Fatal(err)
	}
	e.write(e.put("configmaps", configMap(e.namespace, "cm", "2")))
	if got := fmt.Sprint(field(e.get("configmaps", "cm"), "metadata", "finalizers")); got != "[example.com/edge]" {
		t.Errorf("after a change its finalizers are %s", got)
	}
	e.refuses(del(put.Key), status.Invalid, "finalizers")
	if err := e.client.Delete(t.Context(), "configmaps", e.namespace, "cm"); err != nil {
		t.Fatal(err)
	}
	e.refuses(e.put("configmaps", configMap(e.namespace, "cm", "3")), status.Waiting, "would undo that")
	e.refuses(del(put.Key), status.Waiting, "has not finished")
	if field(e.get("configmaps", "cm"), "metadata", "deletionTimestamp") == nil {
		t.Error("the deletion is undone")
	}
}

// The API would refuse an object in a missing namespace; a raw one is served,
// with controllers that fail on it.
func TestHazardAMissingNamespace(t *testing.T) {
	e := newEdge(t)
	gone := e.namespace + "-2"
	c := e.put("configmaps", configMap(gone, "cm", "1"))
	e.refuses(c, status.Waiting, "no namespace "+gone)
	e.apply("v1", "Namespace", "", gone, nil)
	e.write(c)
	e.holds(c)
}

// A namespace that is deleted past the API server orphans what is in it; a
// namespace without the finalizer of its content would do the same later.
func TestHazardNamespaces(t *testing.T) {
	e := newEdge(t, "namespaces")
	fresh := e.namespace + "-new"
	ns := e.put("namespaces", of("v1", "Namespace", "", fresh, map[string]any{"metadata": map[string]any{"labels": map[string]any{"team": "shop"}}}))
	cm := e.put("configmaps", configMap(fresh, "cm", "1"))
	e.write(cm, ns)
	e.holds(cm, ns)
	e.await("what a namespace has of its own", func(ctx context.Context) error {
		_, err := e.client.Get(ctx, "serviceaccounts", fresh, "default")
		if err == nil {
			_, err = e.client.Get(ctx, "configmaps", fresh, "kube-root-ca.crt")
		}
		return err
	})
	e.holds(cm, ns) // what the edge made there is not seen
	e.refuses(del(ns.Key), status.Invalid, "never deleted")
	if err := e.client.Delete(t.Context(), "namespaces", "", fresh); err != nil {
		t.Fatal(err)
	}
	e.await("the namespace to go with its content", func(ctx context.Context) error {
		if _, err := e.client.Get(ctx, "namespaces", "", fresh); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
	e.holds()
}

// The edge's controllers make these, and put them back or act on them in less
// than 0.1 s.
func TestHazardObjectsOfTheEdgesOwn(t *testing.T) {
	e := newEdge(t, "secrets", "serviceaccounts")
	token := of("v1", "Secret", e.namespace, "token", map[string]any{
		"type":     "kubernetes.io/service-account-token",
		"metadata": map[string]any{"annotations": map[string]any{"kubernetes.io/service-account.name": "default", "kubernetes.io/service-account.uid": "1"}},
	})
	helm := of("v1", "Secret", e.namespace, "sh.helm.release.v1.shop.v1", map[string]any{"type": "helm.sh/release.v1"})
	for name, row := range map[string]struct {
		word   string
		o      map[string]any
		reason string
	}{
		"a token Secret is deleted":           {"secrets", token, "dangerous, elsewhere"},
		"a record of Helm":                    {"secrets", helm, "Helm release"},
		"kube-root-ca.crt is a tug of war":    {"configmaps", configMap(e.namespace, "kube-root-ca.crt", "1"), "every namespace has its own"},
		"the default ServiceAccount's tokens": {"serviceaccounts", of("v1", "ServiceAccount", e.namespace, "default", nil), "every namespace has its own"},
	} {
		t.Run(name, func(t *testing.T) {
			e.t = t
			e.refuses(e.put(row.word, row.o), status.Invalid, row.reason)
		})
	}
	e.t = t
	rev := e.revision()
	e.write(del(keyOf(configMap(e.namespace, "kube-root-ca.crt", ""), "configmaps"))) // nothing of ours is there
	if got := e.cursorAt(); got <= rev {
		t.Error("the cursor is not written")
	}
	e.get("configmaps", "kube-root-ca.crt")
}

// A Service that is deleted past the API server leaks its address, a definition
// leaves its objects behind, and a Pod of a node does not end in order. What is
// not ours is not touched by a delete, whatever its key says.
func TestHazardADeleteOfWhatTheEdgeMade(t *testing.T) {
	e := newEdge(t)
	e.apply("v1", "Service", e.namespace, "web", map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}})
	e.apply("v1", "ConfigMap", e.namespace, "own", map[string]any{"data": map[string]any{"a": "1"}})
	service, cm := e.get("services", "web"), e.get("configmaps", "own")
	e.write(del(keyOf(service, "services")), del(keyOf(cm, "configmaps")), del([]byte(filter.ObjectPrefix+"namespaces/"+e.namespace)))
	for word, was := range map[string]map[string]any{"services": service, "configmaps": cm} {
		now := e.get(word, field(was, "metadata", "name").(string))
		if field(now, "metadata", "resourceVersion") != field(was, "metadata", "resourceVersion") {
			t.Errorf("%s: it was written", word)
		}
	}
}

// Nobody fills in defaults when an object is written: the API server does when it
// is read, and stores them when somebody writes it. What was asked for without
// them then differs from what the edge holds, and that shows. An object that an
// API server stored has them already.
func TestHazardDefaultsComeOnRead(t *testing.T) {
	e := newEdge(t, "deployments.apps")
	labels := map[string]any{"app": "bare"}
	c := e.put("deployments.apps", of("apps/v1", "Deployment", e.namespace, "bare", map[string]any{"spec": map[string]any{
		"replicas": int64(0), "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
			"containers": []any{map[string]any{"name": "c", "image": "i:1"}},
		}},
	}}))
	e.write(c)
	if got := field(e.get("deployments.apps", "bare"), "spec", "strategy", "type"); got != "RollingUpdate" {
		t.Errorf("it is served with the strategy %v", got)
	}
	e.await("its controller to write it", func(context.Context) error {
		if field(e.get("deployments.apps", "bare"), "status", "observedGeneration") == nil {
			return errors.New("it has not")
		}
		return nil
	})
	stored := change.Change{Op: change.Put, Key: c.Key, Value: e.scanned(c.Key)}
	if !strings.Contains(string(stored.Value), `"RollingUpdate"`) {
		t.Errorf("behind a write of the API server the edge holds %s", stored.Value)
	}
	e.write(stored) // with the defaults it is what it should be
	e.holds(stored)
}

func (e *edge) scanned(key []byte) (value []byte) {
	e.t.Helper()
	_, err := e.Scan(e.t.Context(), everything(), func(kvs []change.KV) error {
		for _, kv := range kvs {
			if string(kv.Key) == string(key) {
				value = kv.Value
			}
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return value
}

// A list from the API server's cache may miss what was just written. What the
// importer reads comes from the etcd, so that it never takes what it wrote for
// missing.
func TestHazardAReadMissesNoWrite(t *testing.T) {
	e := newEdge(t)
	for i := range 20 {
		c := e.put("configmaps", configMap(e.namespace, "cm", fmt.Sprint(i)))
		e.write(c)
		e.holds(c)
	}
}

// What a controller of the edge keeps is not written over.
func TestHazardAnObjectThatTheEdgeControls(t *testing.T) {
	e := newEdge(t)
	e.apply("v1", "ConfigMap", e.namespace, "owner", nil)
	owner := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": field(e.get("configmaps", "owner"), "metadata", "uid"), "controller": true}
	e.apply("v1", "ConfigMap", e.namespace, "owned", map[string]any{"metadata": map[string]any{"ownerReferences": []any{owner}}})
	e.refuses(e.put("configmaps", configMap(e.namespace, "owned", "1")), status.Invalid, "the edge's own")
}

// A custom resource without its definition is not served, and one in a version
// that the definition does not store makes the whole resource unreadable.
func TestHazardCustomResources(t *testing.T) {
	e := newEdge(t)
	gadget := of("example.org/v1", "Gadget", e.namespace, "g", nil)
	c := change.Change{Op: change.Put, Key: keyOf(gadget, "gadgets.example.org"), Value: intent(t, gadget)}
	e.Target = openRanges(t, e, append(everything(), change.PrefixRange([]byte(filter.ObjectPrefix+"gadgets.example.org/"))))
	e.refuses(c, status.Waiting, "no definition of gadgets.example.org")

	at := keyOf(widget(e.namespace, "w", 1), "widgets.example.com")
	for reason, o := range map[string]map[string]any{
		"in version v7":            of("example.com/v7", "Widget", e.namespace, "w", nil),
		"is about the kind Widget": of("example.com/v1", "Gadget", e.namespace, "w", nil),
		`the value is a "Widget"`:  of("example.org/v1", "Widget", e.namespace, "w", nil),
	} {
		e.refuses(change.Change{Op: change.Put, Key: at, Value: intent(t, o)}, status.Invalid, reason)
	}
	kept := fmt.Appendf(nil, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":%q},"status":{"sold":7}}`, e.namespace)
	e.refuses(change.Change{Op: change.Put, Key: at, Value: kept}, status.Invalid, "it holds status, which is for the edge to decide")
	wide := of("example.com/v1", "Widget", "", "w", nil)
	e.refuses(e.put("widgets.example.com", wide), status.Invalid, "the scope Namespaced")
	zone := e.put("zones.example.com", of("example.com/v1", "Zone", "", e.namespace, nil))
	e.write(zone)
	if _, err := e.client.Get(t.Context(), "zones.example.com", "", e.namespace); err != nil {
		t.Error(err)
	}
	e.refuses(del([]byte(filter.ObjectPrefix+"customresourcedefinitions.apiextensions.k8s.io/x/y")), status.Invalid, "are cluster-scoped")
	e.write(del([]byte(filter.ObjectPrefix + "customresourcedefinitions.apiextensions.k8s.io/widgets.example.com"))) // not ours
	if err := served(t.Context(), e.plane, "widgets.example.com"); err != nil {
		t.Error(err)
	}
}

func openRanges(t *testing.T, e *edge, ranges []change.Range) *Target {
	t.Helper()
	out, err := Open(t.Context(), e.cli, e.key, ranges, target.Limits{}, Options{Further: e.further}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := out.Claim(t.Context(), "again", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// The API server would not change the content of what is immutable, and kubelets
// would not hear of it.
func TestHazardWhatIsImmutable(t *testing.T) {
	e := newEdge(t, "secrets")
	fixed := func(value string) map[string]any {
		return of("v1", "ConfigMap", e.namespace, "fixed", map[string]any{"data": map[string]any{"a": value}, "immutable": true})
	}
	first := e.put("configmaps", fixed("1"))
	e.write(first)
	e.refuses(e.put("configmaps", fixed("2")), status.Invalid, "immutable")
	e.write(first, e.put("secrets", secret(e.namespace, "s", "MQ==")))
	typed := secret(e.namespace, "s", "MQ==")
	typed["type"] = "example.com/other"
	e.refuses(e.put("secrets", typed), status.Invalid, "immutable")
}

// Over a live Deployment the cloud's status would say what the cloud has seen,
// with the generation that claims it was seen here. Ours keeps the edge's status,
// and the generation rises.
func TestHazardADeploymentOverALiveOne(t *testing.T) {
	e := newEdge(t, "deployments.apps")
	deployment := func(image string) map[string]any {
		labels := map[string]any{"app": "web"}
		// As the cloud's API server stores it: with its defaults.
		return of("apps/v1", "Deployment", e.namespace, "web", map[string]any{"spec": map[string]any{
			"replicas": int64(1), "selector": map[string]any{"matchLabels": labels},
			"progressDeadlineSeconds": int64(600), "revisionHistoryLimit": int64(10),
			"strategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxSurge": "25%", "maxUnavailable": "25%"}},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{
				"containers": []any{map[string]any{
					"name": "web", "image": image, "imagePullPolicy": "IfNotPresent",
					"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
				}},
				"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
				"securityContext": map[string]any{}, "terminationGracePeriodSeconds": int64(30),
			}},
		}})
	}
	first := e.put("deployments.apps", deployment("web:1"))
	e.write(first)
	if err := e.plane.WaitRolledOut(t.Context(), e.namespace, "web"); err != nil {
		t.Fatal(err)
	}
	e.holds(first) // the controllers wrote it again, with status
	was := e.get("deployments.apps", "web")
	second := e.put("deployments.apps", deployment("web:2"))
	e.write(second)
	now := e.get("deployments.apps", "web")
	if g := field(now, "metadata", "generation").(int64); g <= field(was, "metadata", "generation").(int64) {
		t.Errorf("the generation is %d after a change", g)
	}
	if err := e.plane.WaitRolledOut(t.Context(), e.namespace, "web"); err != nil {
		t.Fatal(err)
	}
	e.holds(second)
	e.write(del(second.Key))
	e.await("its Pods to be collected", func(ctx context.Context) error {
		pods, err := e.client.List(ctx, "pods", e.namespace)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%d are there", len(pods))
		}
		return err
	})
}

// Every put is an event for every watcher: what is equal is not written again.
func TestHazardEqualBytesAreNoEvent(t *testing.T) {
	e := newEdge(t)
	c := e.put("configmaps", configMap(e.namespace, "cm", "1"))
	e.write(c)
	was := e.get("configmaps", "cm")
	r := change.PrefixRange([]byte(filter.ObjectPrefix + "configmaps/" + e.namespace + "/"))
	done, err := e.Replace(t.Context(), target.Chunk{Range: r, Want: []change.KV{{Key: c.Key, Value: c.Value}}})
	if err != nil || len(done.Put)+len(done.Deleted) > 0 || done.Unchanged != 1 {
		t.Errorf("replaced: %+v, %v", done, err)
	}
	if now := e.get("configmaps", "cm"); field(now, "metadata", "resourceVersion") != field(was, "metadata", "resourceVersion") {
		t.Error("it was written again")
	}
	// What the edge has of its own in the range stays.
	e.get("configmaps", "kube-root-ca.crt")
	done, err = e.Replace(t.Context(), target.Chunk{Range: r})
	if err != nil || len(done.Deleted) != 1 {
		t.Errorf("replaced by nothing: %+v, %v", done, err)
	}
	e.get("configmaps", "kube-root-ca.crt")
	e.holds()
}

// One object that is refused keeps the whole transaction back, and no other.
func TestHazardNothingIsWrittenWithWhatIsRefused(t *testing.T) {
	e := newEdge(t)
	good := e.put("configmaps", configMap(e.namespace, "good", "1"))
	service := e.put("services", of("v1", "Service", e.namespace, "web", nil))
	if _, err := e.commit(good, service); !errors.Is(err, target.ErrRefused) {
		t.Errorf("the transaction ends with %v", err)
	}
	e.holds()
	refused, err := e.Refused(t.Context(), []change.Change{service, good})
	if err != nil || len(refused) != 1 || string(refused[0].Key) != string(service.Key) {
		t.Errorf("refused are %+v, %v", refused, err)
	}
	e.write(good)
	e.holds(good)
}
