package kube

import (
	"slices"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter"
)

// What "*" takes of the nearly 400 keys of a real cluster. Beside what people
// asked for it is the namespace that every cluster has, and the claim that a
// StatefulSet made, which names no owner.
const starTakes = `/kubernetes/configmaps/shop/app
/kubernetes/cronjobs.batch/shop/nightly
/kubernetes/daemonsets.apps/shop/agent
/kubernetes/deployments.apps/shop/rolled
/kubernetes/deployments.apps/shop/web
/kubernetes/horizontalpodautoscalers.autoscaling/shop/web
/kubernetes/ingresses.networking.k8s.io/shop/web
/kubernetes/limitranges/shop/small
/kubernetes/namespaces/default
/kubernetes/namespaces/shop
/kubernetes/networkpolicies.networking.k8s.io/shop/closed
/kubernetes/persistentvolumeclaims/shop/data
/kubernetes/persistentvolumeclaims/shop/data-db-0
/kubernetes/poddisruptionbudgets.policy/shop/web
/kubernetes/resourcequotas/shop/whole
/kubernetes/serviceaccounts/shop/till
/kubernetes/services/shop/allocated
/kubernetes/services/shop/asked
/kubernetes/services/shop/balanced
/kubernetes/services/shop/elsewhere
/kubernetes/services/shop/fixed
/kubernetes/services/shop/headless
/kubernetes/services/shop/web
/kubernetes/statefulsets.apps/shop/db
`

func TestStarTakesWhatPeopleAskedFor(t *testing.T) {
	all, err := ReadSamples(samples + "stored.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	s := compile(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: star}
spec: {rules: [{name: star, resources: ["*"]}]}
`)
	var got []string
	for _, sample := range all {
		if o := s.Take([]byte(sample.Key), sample.Value); o.Verdict == filter.Selected {
			got = append(got, string(o.Key))
		}
	}
	slices.Sort(got)
	if text := strings.Join(got, "\n") + "\n"; text != starTakes {
		t.Errorf("of %d keys it takes\n%s", len(all), text)
	}
}
