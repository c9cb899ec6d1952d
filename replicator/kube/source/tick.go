package source

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/replicator/fault"
)

// nobody is a name that objects may have and none is expected to.
const nobody = "syncer-asks-for-the-revision"

// tick is the revision at which a resource stands, by a consistent read of
// nothing. It brings the server's own copy of the resource there, which bookmarks
// follow, and costs the server one look into that.
func (s *Source) tick(ctx context.Context, res *resource) (rev int64, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		p, err := s.locate(ctx, res)
		if err != nil {
			return err
		}
		namespace := ""
		if p.namespaced() {
			namespace = systemNamespace
		}
		if p.scope() != "" {
			namespace = p.scope()
		}
		l, err := s.cli.Metadata.Resource(p.at.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + nobody})
		if err != nil {
			return err
		}
		rev, err = revision(l.ResourceVersion)
		return err
	})
	if err != nil {
		return 0, s.explain(err, res.reading(), "ask for the revision of %s", res.Word)
	}
	return rev, nil
}

// otherLine says that a resource counts its revisions otherwise than the rest.
func otherLine(res *resource, rev, other int64) error {
	return fault.New(fault.Usage, "leave the resource to a policy and an exporter of its own, or out",
		"%s stand at revision %d, and the cluster at %d: they are in another etcd (--etcd-servers-overrides, or an extension API server), and their changes have no order", res.Word, rev, other)
}
