package replicator

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
)

// Only a missing right counts as nobody writing there; all else is found out.
func TestOnlyADeniedLookFindsNoImporters(t *testing.T) {
	t.Parallel()
	r := &reading{logger: slog.New(slog.DiscardHandler)}
	forbidden := func(words string) error {
		return fmt.Errorf("list: %w", &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: words}})
	}
	for what, c := range map[string]struct {
		err  error
		none bool
	}{
		"a right of etcd":          {fmt.Errorf("read: %w", rpctypes.ErrPermissionDenied), true},
		"a right of an API server": {forbidden(`configmaps is forbidden: User "u" cannot list resource "configmaps" in API group "" in the namespace "syncer-system"`), true},
		"no credentials":           {forbidden(`configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "syncer-system"`), false},
		"another no":               {forbidden("not now"), false},
		"no answer":                {errors.New("connection refused"), false},
	} {
		if err := r.denied(c.err, "ask"); (err == nil) != c.none {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDeliveredRangesLieWhereTheAPIServerStoresThem(t *testing.T) {
	t.Parallel()
	prefix := func(p string) change.Range { return change.PrefixRange([]byte(p)) }
	for delivered, stored := range map[string]string{
		"/kubernetes/configmaps/shop/":       "/reg/configmaps/shop/",
		"/kubernetes/services/shop/":         "/reg/services/specs/shop/",
		"/kubernetes/deployments.apps/":      "/reg/deployments/",
		"/kubernetes/widgets.example.com/a/": "/reg/example.com/widgets/a/",
		"/kubernetes/":                       "/reg/",
		"/":                                  "/reg/",
		"/flags/":                            "",
	} {
		var want []change.Range
		if stored != "" {
			want = []change.Range{prefix(stored)}
		}
		got := storedRanges(filter.Cluster{Prefix: "/reg"}, []change.Range{prefix(delivered)})
		if !slices.EqualFunc(got, want, func(a, b change.Range) bool { return a.String() == b.String() }) {
			t.Errorf("%s lies in %v, want %v", delivered, got, want)
		}
	}
}
