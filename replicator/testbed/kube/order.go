package kube

import "slices"

// order is what is needed before other things: a cluster that is populated from
// nothing takes objects in this order of their kinds, and all others last.
var order = []string{
	"Namespace", "CustomResourceDefinition",
	"PriorityClass", "RuntimeClass", "StorageClass", "IngressClass",
	"ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding",
	"LimitRange", "ResourceQuota", "NetworkPolicy",
	"ConfigMap", "Secret", "PersistentVolumeClaim", "Service",
}

// InOrder sorts objects so that a cluster can take them one by one.
func InOrder(objects []map[string]any) {
	rank := func(o map[string]any) int {
		kind, _ := o["kind"].(string)
		if i := slices.Index(order, kind); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(objects, func(a, b map[string]any) int { return rank(a) - rank(b) })
}
