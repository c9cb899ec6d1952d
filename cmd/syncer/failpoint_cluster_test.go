package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/history"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// inCluster are the failpoints to which an importer comes whose edge is a
// Kubernetes cluster, and how many hits story surely brings.
var inCluster = map[failpoint.Name]int{
	failpoint.InventoryMadeBefore: 1,
	failpoint.InventoryMadeAfter:  1,
	failpoint.InventoryBefore:     9,
	failpoint.InventoryAfter:      9,
	failpoint.NamespaceMade:       1,
	failpoint.MapPutBefore:        9,
	failpoint.MapPutAfter:         9,
	failpoint.MapRemoveBefore:     1,
	failpoint.MapRemoveAfter:      1,
	failpoint.ObjectApplyBefore:   5,
	failpoint.ObjectApplyAfter:    5,
	failpoint.ObjectDeleteBefore:  1,
	failpoint.ObjectDeleteAfter:   1,
}

const clusterPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  rules:
    - name: shop
      resources: [configmaps]
      namespaces: [shop, later]
      maxDeletePercent: 100
    - name: namespaces
      resources: [namespaces]
      names: [shop]
`

// diesInCluster kills an importer at a failpoint and the one that comes after
// it, and holds what the cluster stored against the guarantees that its tier has.
func diesInCluster(t *testing.T, name failpoint.Name, most int) {
	t.Helper()
	plane := kube.New(t, kube.Options{NoControllers: true})
	etcd := testbed.EtcdConfig{Fast: true}
	r := newRigOf(t, parts{binary: armedBinary, source: etcd, plane: plane, join: (*rig).joins})
	r.write("flags.yaml", clusterPolicy)
	for _, ns := range []string{"default", "shop"} { // which the importer finds there
		r.made(object("Namespace", "", ns, nil))
		r.made(object("ConfigMap", ns, "theirs", map[string]any{"by": "hand"}))
	}
	r.stores("Namespace", "", "shop", "")
	for _, name := range []string{"steady", "gone", "busy"} {
		r.stores("ConfigMap", "shop", name, "1")
	}
	r.stores("ConfigMap", "later", "waits", "1")
	r.exporter.start()
	p := r.importer.startAt(t, fmt.Sprintf("%s:%d", name, 1+r.random.IntN(most)))
	ctx, stop := context.WithCancel(t.Context())
	changing := background(t, func(context.Context) error { return r.changes(ctx) })
	told := background(t, r.story)
	r.dies(p, name)
	r.importer.halt()
	r.dies(r.importer.startAt(t, fmt.Sprintf("any:%d", 1+r.random.IntN(30))), "")
	told()
	stop()
	changing()
	r.must("status", "store-1", "--wait", "--for=in-sync", "--timeout", patience.String(), "-c", r.path("cloud.yaml"))
	r.settledInCluster()
}

// story waits until something is parked, has its cause go away, and deletes.
func (r *rig) story(ctx context.Context) error {
	parked := func(res result) bool { return strings.Contains(string(res.stdout), "waiting") }
	if err := r.until(ctx, parked, "parked", "list", "store-1", "-c", r.path("cloud.yaml")); err != nil {
		return err
	}
	if _, err := r.source.Client().Delete(ctx, stored("ConfigMap", "shop", "gone")); err != nil {
		return err
	}
	if err := r.plane.Client().Apply(ctx, object("Namespace", "", "later", nil)); err != nil {
		return err
	}
	return r.until(ctx, func(result) bool {
		_, waits := r.configMaps("later")["waits"]
		_, gone := r.configMaps("shop")["gone"]
		return waits && !gone
	}, "version")
}

// changes has an object change until ctx ends.
func (r *rig) changes(ctx context.Context) error {
	for i := 2; ; i++ {
		if _, err := r.source.Client().Put(ctx, stored("ConfigMap", "shop", "busy"), encoded("ConfigMap", "shop", "busy", fmt.Sprint(i))); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it was told to end
			}
			return err
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

func object(kind, namespace, name string, data map[string]any) map[string]any {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	o := map[string]any{"apiVersion": "v1", "kind": kind, "metadata": metadata}
	if data != nil {
		o["data"] = data
	}
	return o
}

// stored is the key under which an API server keeps an object.
func stored(kind, namespace, name string) string {
	if namespace == "" {
		return "/registry/" + strings.ToLower(kind) + "s/" + name
	}
	return "/registry/" + strings.ToLower(kind) + "s/" + namespace + "/" + name
}

func encoded(kind, namespace, name, value string) string {
	o := object(kind, namespace, name, nil)
	if value != "" {
		o["data"] = map[string]any{"a": value}
	}
	o["metadata"].(map[string]any)["uid"] = "u"
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(raw)
}

func (r *rig) stores(kind, namespace, name, value string) {
	r.t.Helper()
	r.commits([]clientv3.Op{clientv3.OpPut(stored(kind, namespace, name), encoded(kind, namespace, name, value))})
}

// made has somebody else apply an object at the edge.
func (r *rig) made(o map[string]any) {
	r.t.Helper()
	if err := r.plane.Client().Apply(within(r.t), o); err != nil {
		r.t.Fatal(err)
	}
}

// configMaps are those of a namespace of the edge, by name, with their value.
func (r *rig) configMaps(namespace string) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"steady", "gone", "busy", "waits"} {
		if o, err := r.plane.Client().Get(r.t.Context(), "configmaps", namespace, name); err == nil {
			data, _ := o.Object["data"].(map[string]any)
			out[name], _ = data["a"].(string)
		}
	}
	return out
}

// settledInCluster judges what the cluster's own etcd stored, revision by
// revision. What was applied before a death is not applied again.
func (r *rig) settledInCluster() {
	r.t.Helper()
	want := map[string]string{"steady": "1"}
	resp, err := r.source.Client().Get(within(r.t), stored("ConfigMap", "shop", "busy"))
	if err != nil {
		r.t.Fatal(err)
	}
	var newest struct{ Data map[string]string }
	if err := json.Unmarshal(resp.Kvs[0].Value, &newest); err != nil {
		r.t.Fatal(err)
	}
	want["busy"] = newest.Data["a"]
	if got := r.configMaps("shop"); !maps.Equal(got, want) {
		r.t.Errorf("convergent: the edge holds %v, want %v", got, want)
	}
	r.truth.catchUp(r.truth.target())
	puts, deletes := map[string]int{}, map[string]int{}
	for _, rev := range r.truth.target().recorder.History().Revs {
		for _, e := range rev.Events {
			counted := puts
			if e.Delete {
				counted = deletes
			}
			counted[e.Key]++
			r.containedInCluster(rev.Revision, e)
		}
	}
	for _, o := range []struct{ namespace, name string }{{"shop", "steady"}, {"later", "waits"}, {"shop", "theirs"}, {"default", "theirs"}} {
		key := stored("ConfigMap", o.namespace, o.name)
		if puts[key] != 1 || deletes[key] != 0 {
			r.t.Errorf("once: %s is written %d times and deleted %d times, want 1 and 0", key, puts[key], deletes[key])
		}
	}
	key := stored("ConfigMap", "shop", "gone")
	if puts[key] != 1 || deletes[key] != 1 {
		r.t.Errorf("once: %s is written %d times and deleted %d times, want 1 and 1", key, puts[key], deletes[key])
	}
}

// containedInCluster insists that of ConfigMaps none is written that is neither
// selected, nor ours, nor what the test wrote, and that a delete has a proof.
func (r *rig) containedInCluster(revision int64, e history.Event) {
	r.t.Helper()
	rest, is := strings.CutPrefix(e.Key, "/registry/configmaps/")
	namespace, name, _ := strings.Cut(rest, "/")
	selected := namespace == "shop" || namespace == "later"
	switch {
	case !is || namespace == "syncer-system" || strings.HasPrefix(namespace, "kube-") || name == "kube-root-ca.crt":
	case !selected && name != "theirs":
		r.t.Errorf("contained: revision %d of the cluster writes %s", revision, e.Key)
	case e.Delete && name != "gone":
		r.t.Errorf("absence: revision %d of the cluster deletes %s", revision, e.Key)
	}
}
