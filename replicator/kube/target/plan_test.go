package target

import (
	"slices"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

// Puts come in the order of the waves, and deletes after them, in the reverse
// order: nothing goes before what may need it.
func TestDeletesComeInTheReverseOrderOfPuts(t *testing.T) {
	t.Parallel()
	put := func(apiVersion, kind string) change.Change {
		return delivered(thing(apiVersion, kind, "shop", "new", nil))
	}
	gone := func(key string) change.Change {
		return change.Change{Op: change.Delete, Key: []byte("/kubernetes/" + key)}
	}
	changes := []change.Change{ // in the order of their keys
		gone("configmaps/shop/old"), put("v1", "ConfigMap"),
		gone("customresourcedefinitions.apiextensions.k8s.io/old"), gone("deployments.apps/shop/old"), put("apps/v1", "Deployment"),
		gone("namespaces/old"), gone("rolebindings.rbac.authorization.k8s.io/shop/old"), gone("roles.rbac.authorization.k8s.io/shop/old"),
		gone("services/shop/old"), gone("validatingwebhookconfigurations.admissionregistration.k8s.io/old"), gone("widgets.example.com/shop/old"),
	}
	steps, released := (&batch{}).plan(changes)
	if len(released) > 0 {
		t.Errorf("released are %q", released)
	}
	var got []string
	for _, s := range steps {
		for _, p := range s.puts {
			got = append(got, "put "+p.word)
		}
		for _, key := range s.deletes {
			n, _ := parseKey(key)
			got = append(got, "delete "+n.word)
		}
	}
	want := []string{
		"put configmaps", "put deployments.apps",
		"delete validatingwebhookconfigurations.admissionregistration.k8s.io",
		"delete deployments.apps", "delete widgets.example.com",
		"delete services", "delete configmaps",
		"delete rolebindings.rbac.authorization.k8s.io", "delete roles.rbac.authorization.k8s.io",
		"delete customresourcedefinitions.apiextensions.k8s.io", "delete namespaces",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the order is\n%q, want\n%q", got, want)
	}
}
