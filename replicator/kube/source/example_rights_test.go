package source

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// As the account of the example in deploy/kubernetes an exporter can read and
// follow every resource that the example names.
func TestTheExampleOfRightsIsEnough(t *testing.T) {
	p := small(t, kube.Options{})
	objects, err := kube.ReadManifests("../../../deploy/kubernetes/exporter-rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Populate(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	sel := compile(t, `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: some}
spec:
  rules:
    - name: some
      resources:
        - configmaps
        - serviceaccounts
        - services
        - persistentvolumeclaims
        - deployments.apps
        - statefulsets.apps
        - daemonsets.apps
        - cronjobs.batch
        - horizontalpodautoscalers.autoscaling
        - ingresses.networking.k8s.io
        - networkpolicies.networking.k8s.io
        - poddisruptionbudgets.policy
`)
	account := rest.CopyConfig(p.Config)
	account.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:syncer-system:syncer-exporter"}
	api := New(connect(t, account), kube.Root, sel.SourceRanges(), Options{}, slog.New(slog.DiscardHandler))
	err = p.Await(t.Context(), "the rights to be known", func(context.Context) error {
		if err := api.Check(t.Context()); err != nil {
			return fmt.Errorf("check: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	end := revisionOf(t, p)
	follow(t, api, end+1).reach(api, end+1)
}
