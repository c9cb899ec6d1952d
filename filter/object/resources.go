package object

import (
	"slices"
	"strings"
)

// Why the resources of a control plane do not cross unless they are named.
const (
	clusterFact  = "it states a fact of one cluster"
	controlPlane = "it belongs to the control plane of one cluster"
	lock         = "it is a lock or a heartbeat of one cluster"
	derived      = "a controller of the target makes its own"
	discovery    = "a foreign API service breaks the discovery of the target"
	disk         = "it names a disk of one cluster"
	admission    = "it can lock a cluster out of itself"
)

// A scope or a place that a row has beside the usual.
type trait func(*Resource)

func cluster(r *Resource)   { r.Namespaced = false }
func optIn(r *Resource)     { r.Class = OptIn }
func inGroup(r *Resource)   { r.StoragePrefix = r.Group + "/" + r.Plural }
func deny(why string) trait { return func(r *Resource) { r.Class, r.Reason = Deny, why } }
func at(prefix string) trait {
	return func(r *Resource) { r.StoragePrefix = prefix }
}

// row is a resource: namespaced, allowed, and stored below its plural, unless
// a trait says otherwise.
func row(group, version, plural, kind string, traits ...trait) Resource {
	r := Resource{Word: plural, Group: group, Plural: plural, Kind: kind, Namespaced: true, StoragePrefix: plural, version: version}
	if group != "" {
		r.Word += "." + group
	}
	for _, t := range traits {
		t(&r)
	}
	return r
}

// builtIn are the resources that Kubernetes 1.37 stores, in the version that
// it stores, or, for custom resource definitions, serves. Events of both
// groups are stored as those of the core.
var builtIn = slices.Concat(coreRows, workloadRows, networkRows, accessRows, clusterRows, resourceRows)

var coreRows = []Resource{
	row("", "v1", "configmaps", "ConfigMap"),
	row("", "v1", "endpoints", "Endpoints", at("services/endpoints"), deny(clusterFact)),
	row("", "v1", "events", "Event", deny(clusterFact)),
	row("", "v1", "limitranges", "LimitRange"),
	row("", "v1", "namespaces", "Namespace", cluster),
	row("", "v1", "nodes", "Node", at("minions"), cluster, deny(clusterFact)),
	row("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
	row("", "v1", "persistentvolumes", "PersistentVolume", cluster, deny(disk)),
	row("", "v1", "pods", "Pod", optIn),
	row("", "v1", "podtemplates", "PodTemplate", optIn),
	row("", "v1", "replicationcontrollers", "ReplicationController", at("controllers"), optIn),
	row("", "v1", "resourcequotas", "ResourceQuota"),
	row("", "v1", "secrets", "Secret", optIn),
	row("", "v1", "serviceaccounts", "ServiceAccount"),
	row("", "v1", "services", "Service", at("services/specs")),
}

var workloadRows = []Resource{
	row("apps", "v1", "controllerrevisions", "ControllerRevision", deny(derived)),
	row("apps", "v1", "daemonsets", "DaemonSet"),
	row("apps", "v1", "deployments", "Deployment"),
	row("apps", "v1", "replicasets", "ReplicaSet", deny(derived)),
	row("apps", "v1", "statefulsets", "StatefulSet"),
	row("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
	row("batch", "v1", "cronjobs", "CronJob"),
	row("batch", "v1", "jobs", "Job", optIn),
	row("lifecycle.k8s.io", "v1alpha1", "evictionrequests", "EvictionRequest", deny(clusterFact)),
	row("lifecycle.k8s.io", "v1alpha1", "evictions", "Eviction", deny(clusterFact)),
	row("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
	row("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", cluster, optIn),
	row("scheduling.k8s.io", "v1alpha3", "compositepodgroups", "CompositePodGroup", optIn),
	row("scheduling.k8s.io", "v1beta1", "podgroups", "PodGroup", optIn),
	row("scheduling.k8s.io", "v1beta1", "workloads", "Workload", optIn),
}

var networkRows = []Resource{
	row("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", deny(clusterFact)),
	row("networking.k8s.io", "v1", "ingressclasses", "IngressClass", cluster, optIn),
	row("networking.k8s.io", "v1", "ingresses", "Ingress", at("ingress")),
	row("networking.k8s.io", "v1", "ipaddresses", "IPAddress", cluster, deny(controlPlane)),
	row("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
	row("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", cluster, deny(controlPlane)),
}

var accessRows = []Resource{
	row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", cluster, deny(admission)),
	row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", cluster, deny(admission)),
	row("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", cluster, deny(admission)),
	row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", cluster, deny(admission)),
	row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", cluster, deny(admission)),
	row("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", cluster, deny(admission)),
	row("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", cluster, deny(clusterFact)),
	row("certificates.k8s.io", "v1beta1", "clustertrustbundles", "ClusterTrustBundle", cluster, deny(controlPlane)),
	row("certificates.k8s.io", "v1beta1", "podcertificaterequests", "PodCertificateRequest", deny(clusterFact)),
	row("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", cluster, optIn),
	row("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", cluster, optIn),
	row("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", optIn),
	row("rbac.authorization.k8s.io", "v1", "roles", "Role", optIn),
}

var clusterRows = []Resource{
	row("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", inGroup, cluster, optIn),
	row("apiregistration.k8s.io", "v1", "apiservices", "APIService", inGroup, cluster, deny(discovery)),
	row("coordination.k8s.io", "v1", "leases", "Lease", deny(lock)),
	row("coordination.k8s.io", "v1beta1", "leasecandidates", "LeaseCandidate", deny(lock)),
	row("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", cluster, deny(controlPlane)),
	row("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", cluster, deny(controlPlane)),
	row("internal.apiserver.k8s.io", "v1alpha1", "storageversions", "StorageVersion", cluster, deny(controlPlane)),
	row("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", cluster, optIn),
	row("storagemigration.k8s.io", "v1beta1", "storageversionmigrations", "StorageVersionMigration", cluster, deny(controlPlane)),
}

var resourceRows = []Resource{
	row("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", cluster, optIn),
	row("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", optIn),
	row("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", optIn),
	row("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", cluster, deny(clusterFact)),
	row("resource.k8s.io", "v1alpha3", "resourcepoolstatusrequests", "ResourcePoolStatusRequest", cluster, deny(clusterFact)),
	row("resource.k8s.io", "v1beta2", "devicetaintrules", "DeviceTaintRule", cluster, deny(clusterFact)),
	row("storage.k8s.io", "v1", "csidrivers", "CSIDriver", cluster, optIn),
	row("storage.k8s.io", "v1", "csinodes", "CSINode", cluster, deny(clusterFact)),
	row("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", deny(clusterFact)),
	row("storage.k8s.io", "v1", "storageclasses", "StorageClass", cluster, optIn),
	row("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", cluster, deny(clusterFact)),
	row("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", cluster, optIn),
}

// The table by what it is asked for.
var (
	sorted       = slices.SortedFunc(slices.Values(builtIn), func(a, b Resource) int { return strings.Compare(a.Word, b.Word) })
	byWord       = index(func(r *Resource) string { return r.Word })
	byPrefix     = index(func(r *Resource) string { return r.StoragePrefix })
	reversed     = index(func(r *Resource) string { return r.Group + "." + r.Plural })
	builtInGroup = groups()
)

func index(by func(*Resource) string) map[string]*Resource {
	m := make(map[string]*Resource, len(sorted))
	for i := range sorted {
		m[by(&sorted[i])] = &sorted[i]
	}
	return m
}

// groups are those that no custom resource has. Events of events.k8s.io have
// no row.
func groups() map[string]bool {
	m := map[string]bool{"events.k8s.io": true}
	for _, r := range sorted {
		m[r.Group] = true
	}
	return m
}
