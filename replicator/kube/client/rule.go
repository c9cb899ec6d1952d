package client

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	return fmt.Sprintf("add to %s of %s the rule %s", kind, strings.TrimPrefix(r.User, "system:serviceaccount:"), r)
}
