package target

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/status"
)

// refusal is what an answer says about one object: why it is not taken and what
// to do. ok is false for what says something about the server, which may take
// the object later.
func refusal(key []byte, n name, err error) (r target.Refused, ok bool) {
	why, try := classify(n, err)
	if why == "" {
		return target.Refused{}, false
	}
	r = target.Refused{Key: key, Why: why, Err: fault.New(fault.Check, try, "%w", words(err))}
	r.Immutable = why == status.Rejected && immutable(r.Err.Error()) && !isProtected(n.word)
	return r, true
}

// words are the server's own.
func words(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Message != "" {
		return &said{status.Status().Message, err}
	}
	return err
}

type said struct {
	text  string
	cause error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.cause }

func classify(n name, err error) (why, try string) {
	if rule, ok := client.MissingRule(err); ok {
		return status.Forbidden, rule.Remedy()
	}
	if meta.IsNoMatchError(err) {
		return status.Waiting, fmt.Sprintf("install what defines %s at the edge in this version, or select its definition in the policy; upgrade the edge if it is one of Kubernetes' own", n.word)
	}
	var api apierrors.APIStatus
	if !errors.As(err, &api) {
		return "", ""
	}
	s := api.Status()
	if strings.Contains(s.Message, "request is too large") || s.Code == http.StatusRequestEntityTooLarge {
		return status.TooLarge, "make the object smaller: an API server takes about 1.5 MiB"
	}
	if client.Transient(err) {
		return "", ""
	}
	return classifyAnswer(n, s)
}

func classifyAnswer(n name, s metav1.Status) (why, try string) {
	text := s.Message
	switch {
	case s.Reason == metav1.StatusReasonNotFound && s.Details != nil && s.Details.Kind == "namespaces":
		return status.Waiting, fmt.Sprintf("create the namespace %s at the edge, or select it in the policy", n.namespace)
	case s.Code == http.StatusNotFound:
		return status.Waiting, fmt.Sprintf("install what defines %s at the edge", n.word)
	case strings.Contains(text, "exceeded quota"):
		return status.Waiting, fmt.Sprintf("raise the quota of namespace %s at the edge, or delete something there", n.namespace)
	case hasCause(s, "NamespaceTerminating"), strings.Contains(text, "is being terminated"):
		return status.Waiting, fmt.Sprintf("the namespace %s is being deleted at the edge; once it is gone it has to be made again", n.namespace)
	case strings.Contains(text, "failed calling webhook"):
		return status.Waiting, "bring the webhook back, or remove its configuration at the edge"
	case strings.Contains(text, "field not declared in schema"):
		return status.Rejected, "upgrade the edge, or its definition of the resource; or drop the field with a transform of the policy"
	case strings.Contains(text, "failed to create typed patch object"):
		return status.Rejected, "change the object at the source, or upgrade the edge or its definition of the resource"
	case immutable(text):
		return status.Rejected, tryAnew(n)
	case s.Code == http.StatusForbidden:
		return status.Rejected, "change the object, or what admits objects at the edge"
	case s.Code == http.StatusInternalServerError:
		return status.Waiting, "look at the log of the edge's API server"
	}
	return status.Rejected, "change the object at the source, or with a transform of the policy"
}

func tryAnew(n name) string {
	try := fmt.Sprintf("the field cannot be changed in place: delete %s at the edge, and it is made anew", n)
	if !isProtected(n.word) {
		try += "; or write onImmutable: recreate into its rule"
	}
	return try
}

// fixed is how API servers of several versions say that a field cannot change.
var fixed = []string{
	"field is immutable", "is immutable after creation", "may not change once set", "may not be changed", "cannot change roleRef",
	"pod updates may not change fields other than", "pod updates may not add or remove containers",
	"updates to statefulset spec for fields other than",
	"updates to parameters are forbidden", "updates to provisioner are forbidden", "updates to reclaimPolicy are forbidden",
	"updates to volumeBindingMode are forbidden",
}

// immutable reports whether the server says that a field cannot change.
func immutable(text string) bool {
	return slices.ContainsFunc(fixed, func(words string) bool { return strings.Contains(text, words) })
}

func hasCause(s metav1.Status, reason metav1.CauseType) bool {
	if s.Details == nil {
		return false
	}
	for _, c := range s.Details.Causes {
		if c.Type == reason {
			return true
		}
	}
	return false
}
