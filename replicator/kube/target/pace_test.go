package target

import (
	"fmt"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// The server's own fairness gives us few seats and says 429 to the rest: nothing
// is lost, and fewer requests are out at a time until it copes again.
func TestABusyServerIsGivenTime(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.mustCommit(1, namespace(e.ns))
	e.squeezed(1)
	account := rest.CopyConfig(e.plane.Config)
	account.Impersonate = rest.ImpersonationConfig{UserName: e.ns, Groups: []string{"system:authenticated"}}
	c, err := client.Over(t.Context(), account, "test", logger(t))
	if err != nil {
		t.Fatal(err)
	}
	e.cluster.client, e.cluster.pace = c, newPace(c.Busy)
	some := func(value string) (out []change.Change) {
		for i := range 30 {
			out = append(out, configMap(e.ns, fmt.Sprint("c-", i), value))
		}
		return out
	}
	least := mostWorkers
	e.within("the server to be busy", func() error {
		e.mustCommit(2, some(fmt.Sprint(c.Busy(), e.cluster.pace.limit))...)
		if least = min(least, e.cluster.pace.limit); c.Busy() == 0 || least == mostWorkers {
			return fmt.Errorf("it was %d times, and %d requests are out at a time", c.Busy(), least)
		}
		return nil
	})
	e.squeezed(200)
	last := some("last")
	e.within("all workers to work again", func() error {
		e.mustCommit(3, some(fmt.Sprint("again", e.cluster.pace.limit))...)
		if now := e.cluster.pace.limit; now != mostWorkers {
			return fmt.Errorf("%d do", now)
		}
		return nil
	})
	e.mustCommit(4, last...)
	got := e.holds()
	for _, c := range last {
		if got[string(c.Key)] != string(c.Value) {
			t.Errorf("%s is %s", c.Key, got[string(c.Key)])
		}
	}
}

// squeezed gives the test's user all rights, and a share of the server's seats.
func (e *edge) squeezed(shares int64) {
	e.t.Helper()
	user := map[string]any{"kind": "User", "user": map[string]any{"name": e.ns}}
	for _, o := range []map[string]any{
		thing("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", e.ns, map[string]any{
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
			"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": e.ns}},
		}),
		thing("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", "", e.ns, map[string]any{"spec": map[string]any{
			"type": "Limited", "limited": map[string]any{
				"nominalConcurrencyShares": shares, "lendablePercent": int64(0), "borrowingLimitPercent": int64(0),
				"limitResponse": map[string]any{"type": "Reject"},
			},
		}}),
		thing("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "", e.ns, map[string]any{"spec": map[string]any{
			"priorityLevelConfiguration": map[string]any{"name": e.ns}, "matchingPrecedence": int64(2),
			"rules": []any{map[string]any{
				"subjects": []any{user},
				"resourceRules": []any{map[string]any{
					"verbs": []any{"*"}, "apiGroups": []any{"*"}, "resources": []any{"*"}, "clusterScope": true, "namespaces": []any{"*"},
				}},
			}},
		}}),
	} {
		if err := e.plane.Client().Apply(e.t.Context(), o); err != nil {
			e.t.Fatal(err)
		}
	}
}
