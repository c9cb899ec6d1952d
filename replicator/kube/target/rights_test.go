package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// As the account of the example in deploy/kubernetes an importer can do all that
// it does: write, see edits, delete, park, and find out what is its own.
func TestTheExampleOfRightsIsEnough(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	objects, err := kube.ReadManifests("../../../deploy/kubernetes/importer-rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.plane.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	account := rest.CopyConfig(e.plane.Config)
	account.Impersonate.UserName = "system:serviceaccount:" + Namespace + ":syncer"
	c, err := client.Over(t.Context(), account, "test", logger(t))
	if err != nil {
		t.Fatal(err)
	}
	e.within("the rights to count", func() error {
		missing, err := c.Missing(t.Context(), Rights())
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("missing are %v", missing)
		}
		return err
	})
	e.as(c)
	all := []change.Change{namespace(e.ns), configMap(e.ns, "a", "1"), delivered(thing("apps/v1", "Deployment", e.ns, "web", map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "web", "image": "web:1"}}}},
	}}))}
	e.mustCommit(1, all...)
	e.seesEdit(configMap(e.ns, "a", "theirs"))
	if err := e.Park(t.Context(), []target.Parked{{ID: "1", Why: status.Waiting, Revision: 1}}); err != nil {
		t.Error(err)
	}
	if err := e.Unpark(t.Context(), []string{"1"}); err != nil {
		t.Error(err)
	}
	if _, err := e.inventory.fit(about{}); err != nil { // which empties it
		t.Fatal(err)
	}
	e.as(c)
	if got := e.holds()[string(all[2].Key)]; got != string(all[2].Value) {
		t.Errorf("made anew, the inventory says of the Deployment %s", got)
	}
	e.mustCommit(2, remove(all[2]), remove(all[0]))
	if e.live(all[2]) != nil || e.live(all[0]) == nil {
		t.Error("the Deployment has to be gone, and the namespace has to stay")
	}
}

// as begins anew with another client, for what an account may do only.
func (e *edge) as(c *client.Client) {
	e.t.Helper()
	if err := e.cluster.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		e.t.Fatal(err)
	}
	var err error
	if e.cluster, err = New(e.t.Context(), c, e.dir, logger(e.t)); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = e.cluster.Close() })
	var ranges []change.Range
	for _, word := range []string{"configmaps", "deployments.apps", "namespaces"} {
		ranges = append(ranges, change.PrefixRange([]byte("/kubernetes/"+word+"/"+e.ns)))
	}
	if e.Target, err = e.cluster.Open(e.t.Context(), e.key, ranges); err != nil {
		e.t.Fatal(err)
	}
	if _, _, err := e.Claim(e.t.Context(), "test", func(c target.Cursor, _ bool) (target.Cursor, error) { return c, nil }); err != nil {
		e.t.Fatal(err)
	}
}

// seesEdit has somebody edit an object, and waits until the watch tells.
func (e *edge) seesEdit(c change.Change) {
	e.t.Helper()
	ctx, stop := context.WithCancel(e.t.Context())
	defer stop()
	told := make(chan string, 10)
	done := make(chan error, 1)
	looking := make(chan struct{}, 100)
	go func() {
		done <- e.Watch(ctx, e.Target.ranges, e.modRev(), func(writes []target.Local, _ int64) error {
			select {
			case looking <- struct{}{}:
			default:
			}
			for _, w := range writes {
				told <- string(w.Key)
			}
			return nil
		})
	}()
	<-looking
	e.edit(c, `{"data":{"a":"theirs"}}`)
	select {
	case key := <-told:
		if key != string(c.Key) {
			e.t.Errorf("told of %s", key)
		}
	case err := <-done:
		e.t.Fatalf("the watch ended with %v", err)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		e.t.Errorf("the watch ended with %v", err)
	}
}
