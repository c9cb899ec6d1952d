package client

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Rule is a right that a user does not have.
type Rule struct {
	User, Verb, Group, Resource string
	Namespace                   string // "" is the whole cluster
}

// What the authorizer of an API server says. Admission and quota say no with the
// same code, in other words.
var denied = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)

// MissingRule reads which right is missing out of an answer.
func MissingRule(err error) (Rule, bool) {
	var status apierrors.APIStatus
	if !apierrors.IsForbidden(err) || !errors.As(err, &status) {
		return Rule{}, false
	}
	m := denied.FindStringSubmatch(status.Status().Message)
	if m == nil || m[1] == "system:anonymous" {
		return Rule{}, false
	}
	return Rule{User: m[1], Verb: m[2], Resource: m[3], Group: m[4], Namespace: m[5]}, true
}

// String is the rule as it stands in a Role or ClusterRole.
func (r Rule) String() string {
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], verbs: [%q]}", r.Group, r.Resource, r.Verb)
}

// Remedy says where to add the rule.
func (r Rule) Remedy() string {
	kind := "a ClusterRole"
	if r.Namespace != "" {
		kind = "a Role in namespace " + r.Namespace + ", or a ClusterRole,"
	}
	user := strings.TrimPrefix(r.User, "system:serviceaccount:")
	if user == "" {
		user = "the user of this process"
	}
	return fmt.Sprintf("add to %s of %s the rule %s", kind, user, r)
}

var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// Missing are those of the rights that we do not have. The users of the rules do
// not matter; "*" stands for every verb, group or resource.
func (c *Client) Missing(ctx context.Context, rules []Rule) ([]Rule, error) {
	var out []Rule
	for _, r := range rules {
		ask := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{
				"verb": r.Verb, "group": r.Group, "resource": r.Resource, "namespace": r.Namespace,
			}},
		}}
		answer, err := c.Objects.Resource(reviews).Create(ctx, ask, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask for our rights: %w", c.Explain(err))
		}
		if may, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed"); !may {
			out = append(out, r)
		}
	}
	return out, nil
}
