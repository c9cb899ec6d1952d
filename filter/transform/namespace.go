package transform

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// namespaceMove renames a namespace.
type namespaceMove struct{ from, to string }

// renaming is an action that may change which object an object is.
type renaming interface {
	identity(identity) identity
}

func compileNamespace(ps *problems, n Namespace) action {
	for _, f := range []struct{ field, name string }{{"from", n.From}, {"to", n.To}} {
		if faults := validation.IsDNS1123Label(f.name); len(faults) > 0 {
			ps.add(&flaw{
				fmt.Sprintf("%q cannot be the name of a namespace", f.name),
				"use lower-case letters, digits and inner hyphens, at most 63",
			}, "namespace", f.field)
		}
	}
	if n.From == n.To {
		ps.add(&flaw{"from and to are the same", "remove the step, or change one of them"}, "namespace", "to")
	}
	return namespaceMove{from: n.From, to: n.To}
}

// checkNamespaces refuses mappings that depend on their order: where an object
// goes must be told from its namespace alone.
func checkNamespaces(ps *problems, steps []Step) {
	from, to := map[string]int{}, map[string]int{}
	for i, s := range steps {
		if s.Namespace == nil {
			continue
		}
		ps.step = i
		n := *s.Namespace
		if first, double := from[n.From]; double {
			ps.add(&flaw{fmt.Sprintf("namespace %q is moved by step %d already", n.From, first+1), "remove one of the steps"}, "namespace", "from")
		}
		if first, chained := to[n.From]; chained {
			ps.add(&flaw{fmt.Sprintf("step %d has just moved objects to namespace %q", first+1, n.From), "name the last namespace in that step"}, "namespace", "from")
		}
		if first, joined := to[n.To]; joined {
			ps.add(&flaw{fmt.Sprintf("step %d moves another namespace to %q", first+1, n.To), "move each to a namespace of its own, or objects of one name would meet"}, "namespace", "to")
		}
		from[n.From], to[n.To] = i, i
	}
}

func (m namespaceMove) apply(obj map[string]any) error {
	id := identityOf(obj)
	meta, _ := obj["metadata"].(map[string]any)
	now := m.identity(id)
	if now.namespace != id.namespace {
		meta["namespace"] = now.namespace
	}
	if now.name != id.name {
		meta["name"] = now.name
		m.renameLabel(meta)
	}
	if id.group() == "rbac.authorization.k8s.io" && (id.kind == "RoleBinding" || id.kind == "ClusterRoleBinding") {
		m.renameSubjects(obj)
	}
	return nil
}

// identity is the object after the step: moved when it is in the namespace,
// renamed when it is the namespace.
func (m namespaceMove) identity(id identity) identity {
	if id.namespace == m.from {
		id.namespace = m.to
	}
	if id.apiVersion == "v1" && id.kind == "Namespace" && id.name == m.from {
		id.name = m.to
	}
	return id
}

// renameLabel keeps the label that every API server gives a namespace true.
func (m namespaceMove) renameLabel(meta map[string]any) {
	const own = "kubernetes.io/metadata.name"
	labels, _ := meta["labels"].(map[string]any)
	if labels[own] == m.from {
		labels[own] = m.to
	}
}

// renameSubjects keeps a binding's permissions with the accounts that move,
// wherever the binding itself is.
func (m namespaceMove) renameSubjects(obj map[string]any) {
	subjects, _ := obj["subjects"].([]any)
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		if subject["namespace"] == m.from {
			subject["namespace"] = m.to
		}
		switch name := text(subject["name"]); subject["kind"] {
		case "User":
			if account, ours := strings.CutPrefix(name, "system:serviceaccount:"+m.from+":"); ours {
				subject["name"] = "system:serviceaccount:" + m.to + ":" + account
			}
		case "Group":
			if name == "system:serviceaccounts:"+m.from {
				subject["name"] = "system:serviceaccounts:" + m.to
			}
		}
	}
}
