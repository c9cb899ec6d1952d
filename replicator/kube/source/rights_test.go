package source

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// grant gives the user "reader" the rules of a ClusterRole, and takes all others.
func grant(t *testing.T, p *kube.Plane, rules ...map[string]any) {
	t.Helper()
	list := make([]any, len(rules))
	for i, r := range rules {
		list[i] = r
	}
	apply(t, p, map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
		"metadata": map[string]any{"name": "reader"}, "rules": list,
	})
	apply(t, p, map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
		"metadata": map[string]any{"name": "reader"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
		"subjects": []any{map[string]any{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}},
	})
}

func rule(group, resource string, verbs ...any) map[string]any {
	return map[string]any{"apiGroups": []any{group}, "resources": []any{resource}, "verbs": verbs}
}

// What is missing is named as the rule to add; with the rules that errors have
// named the source works.
func TestMissingRightsAreNamed(t *testing.T) {
	p := small(t, kube.Options{})
	sel := compile(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: some}
spec: {rules: [{name: some, resources: [configmaps, widgets.example.com]}]}
`)
	reader := rest.CopyConfig(p.Config)
	reader.Impersonate = rest.ImpersonationConfig{UserName: "reader"}
	system := rule("", "namespaces", "list")
	system["resourceNames"] = []any{"kube-system"}
	configMaps, widgets := rule("", "configmaps", "get", "list", "watch"), rule("example.com", "widgets", "get", "list", "watch")
	for _, step := range []struct {
		granted []map[string]any
		try     string
	}{
		{nil, `add to a ClusterRole of reader the rule {apiGroups: [""], resources: ["namespaces"], resourceNames: ["kube-system"], verbs: ["list"]}`},
		{[]map[string]any{system}, `add to a ClusterRole of reader the rule {apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch"]}`},
		{[]map[string]any{system, configMaps}, `add to a ClusterRole of reader the rule {apiGroups: ["example.com"], resources: ["widgets"], verbs: ["get", "list", "watch"]}`},
		{[]map[string]any{system, configMaps, rule("example.com", "widgets", "list")}, `add to a ClusterRole of reader the rule {apiGroups: ["example.com"], resources: ["widgets"], verbs: ["get", "list", "watch"]}`},
		{[]map[string]any{system, configMaps, widgets}, ""},
	} {
		grant(t, p, step.granted...)
		api := New(connect(t, reader), kube.Root, sel.SourceRanges(), Options{}, slog.New(slog.DiscardHandler))
		err := p.Await(t.Context(), "the rights to be known", func(context.Context) error {
			err := api.Check(t.Context())
			if fault.Try(err) != step.try {
				return fmt.Errorf("got %w\ntry: %s\nwant: %s", err, fault.Try(err), step.try)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if step.try == "" {
			end := revisionOf(t, p)
			follow(t, api, end+1).reach(api, end+1)
			continue
		}
		if err := api.Watch(t.Context(), revisionOf(t, p)+1, func(etcd.Batch) error { return nil }); fault.Try(err) != step.try || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("a watch ended with %v\ntry: %s", err, fault.Try(err))
		}
	}
}
