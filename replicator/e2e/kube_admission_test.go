package e2e

import (
	"testing"

	objects "github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/status"
)

const admission = "admissionregistration.k8s.io"

// deny has the edge refuse ConfigMaps that say "forbidden", in its own words, and
// waits until it does.
func (l *live) deny(words string) {
	l.t.Helper()
	policy := object(admission+"/v1", "ValidatingAdmissionPolicy", "", "taste")
	policy["spec"] = map[string]any{
		"failurePolicy": "Fail",
		"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
			"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"configmaps"}, "operations": []any{"CREATE", "UPDATE"},
		}}},
		"validations": []any{map[string]any{"expression": "!has(object.data) || !('a' in object.data) || object.data.a != 'forbidden'", "message": words}},
	}
	binding := object(admission+"/v1", "ValidatingAdmissionPolicyBinding", "", "taste")
	binding["spec"] = map[string]any{"policyName": "taste", "validationActions": []any{"Deny"}}
	for _, o := range []map[string]any{policy, binding} {
		if err := l.plane.Client().Apply(l.t.Context(), o); err != nil {
			l.t.Fatal(err)
		}
	}
	probe := object("v1", "ConfigMap", "default", "probe")
	probe["data"] = map[string]any{"a": "forbidden"}
	l.until("the edge denies it", func() bool { return l.plane.Client().Apply(l.t.Context(), probe) != nil })
}

func (l *live) allow() {
	l.t.Helper()
	for _, word := range []string{"validatingadmissionpolicybindings." + admission, "validatingadmissionpolicies." + admission} {
		if err := l.plane.Client().Delete(l.t.Context(), word, "", "taste"); err != nil {
			l.t.Fatal(err)
		}
	}
}

// What a policy of the edge denies waits in the words of that policy; the others
// go on. It is taken once the policy is gone, also while the hub is away.
func TestALiveClusterThatDeniesAnObject(t *testing.T) {
	t.Parallel()
	l := newLive(t, livePolicy)
	l.store(objects.Key{Resource: "namespaces", Name: "shop"}, objectOf("v1", "Namespace", "", "shop"))
	l.store(setting("shop", "changed", "1"))
	l.startExporter()
	l.startImporter()
	l.report("is in sync", in(status.InSync))
	const words = "the shop does not like that"
	l.deny(words)
	l.store(setting("shop", "changed", "forbidden"))
	l.store(setting("shop", "new", "forbidden"))
	l.store(setting("shop", "other", "1"))
	l.report("is degraded", waits(2, status.Rejected, words))
	l.until("the others are applied", func() bool { return l.says("configmaps", "shop", "other", "1") })
	if !l.says("configmaps", "shop", "changed", "1") || l.at("configmaps", "shop", "new") != nil {
		t.Error("what is denied is at the edge")
	}
	l.edgeLink.Refuse()
	l.allow()
	l.until("what was denied is there", func() bool {
		return l.says("configmaps", "shop", "changed", "forbidden") && l.says("configmaps", "shop", "new", "forbidden")
	})
	l.edgeLink.Pass()
	l.report("is in sync again", in(status.InSync))
}
