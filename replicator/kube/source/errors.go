package source

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

var (
	// errBroken ends a watch that the server did not end as it was asked to.
	errBroken = errors.New("the watch broke off")
	// errLate ends a watch with an event at or below a revision that the server
	// called passed. What else is missing shows by comparing.
	errLate = errors.New("an event came after a bookmark that had passed it")
)

// expired reports whether the server has forgotten the revision that was asked
// for.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// rights are what reading something needs.
type rights struct {
	verbs           []string
	group, resource string
	name, namespace string // "": all
}

// reading are the rights that a resource needs.
func (r *resource) reading() rights {
	return rights{verbs: []string{"get", "list", "watch"}, group: r.Group, resource: r.Plural, namespace: r.namespace}
}

// rule is the rights as they stand in a Role or ClusterRole.
func (r rights) rule() string {
	names := ""
	if r.name != "" {
		names = fmt.Sprintf("resourceNames: [%q], ", r.name)
	}
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], %sverbs: [\"%s\"]}", r.group, r.resource, names, strings.Join(r.verbs, `", "`))
}

func (r rights) remedy(user string) string {
	role := "a ClusterRole"
	if r.namespace != "" {
		role = "a Role in namespace " + r.namespace + ", or a ClusterRole,"
	}
	return fmt.Sprintf("add to %s of %s the rule %s", role, strings.TrimPrefix(user, "system:serviceaccount:"), r.rule())
}

// explain says what was being done, and how to help; missing rights are named
// all at once.
func (s *Source) explain(err error, need rights, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	if missing, ok := client.MissingRule(err); ok {
		return fault.New(fault.Refused, need.remedy(missing.User), "%s: the API server at %s: %w", doing, s.cli.Host, err)
	}
	return fmt.Errorf("%s: %w", doing, s.cli.Explain(err))
}
