package filter

import "slices"

// Preset stands for fields that a controller at an edge fills in.
type Preset string

// The presets.
const (
	// HPAReplicas is the number of Pods, where an autoscaler sets it.
	HPAReplicas Preset = "hpa-replicas"
	// PVCVolume is the volume that a claim is bound to.
	PVCVolume Preset = "pvc-volume"
	// ServiceAddresses are the addresses and ports that a Service is given.
	ServiceAddresses Preset = "service-addresses"
	// InjectedSidecars are containers that only the edge has, with their
	// volumes.
	InjectedSidecars Preset = "injected-sidecars"
)

// Values are the words that a policy may write.
func (Preset) Values() []string {
	return []string{string(HPAReplicas), string(PVCVolume), string(ServiceAddresses), string(InjectedSidecars)}
}

// preset is what a preset stands for.
type preset struct {
	Ignore
	of []string // the built-in resources that have such fields
}

var withPods = []string{
	"deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "replicationcontrollers",
	"jobs.batch", "cronjobs.batch", "pods", "podtemplates",
}

var presets = map[Preset]preset{
	HPAReplicas: {
		Ignore{[]string{"spec.replicas"}, OnEdgePresent},
		[]string{"deployments.apps", "statefulsets.apps", "replicasets.apps", "replicationcontrollers"},
	},
	PVCVolume: {
		Ignore{[]string{
			"spec.volumeName",
			`metadata.annotations["pv.kubernetes.io/bind-completed"]`,
			`metadata.annotations["pv.kubernetes.io/bound-by-controller"]`,
			`metadata.annotations["volume.kubernetes.io/selected-node"]`,
			`metadata.annotations["volume.kubernetes.io/storage-provisioner"]`,
			`metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"]`,
		}, OnEdgePresent},
		[]string{"persistentvolumeclaims"},
	},
	ServiceAddresses: {
		Ignore{[]string{
			"spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy",
			"spec.ports[*].nodePort", "spec.healthCheckNodePort",
		}, OnEdgePresent},
		[]string{"services"},
	},
	InjectedSidecars: {
		Ignore{[]string{
			"spec.containers[*]", "spec.initContainers[*]", "spec.volumes[*]",
			"template.spec.containers[*]", "template.spec.initContainers[*]", "template.spec.volumes[*]",
			"spec.template.spec.containers[*]", "spec.template.spec.initContainers[*]", "spec.template.spec.volumes[*]",
			"spec.jobTemplate.spec.template.spec.containers[*]",
			"spec.jobTemplate.spec.template.spec.initContainers[*]",
			"spec.jobTemplate.spec.template.spec.volumes[*]",
		}, OnEdgeAdd},
		withPods,
	},
}

// ignore is what the rule leaves to edges, presets written out.
func (r Rule) ignore() []Ignore {
	var out []Ignore
	for _, f := range r.IgnoreFields {
		if known, ok := presets[f.Preset]; ok {
			out = append(out, Ignore{Paths: slices.Clone(known.Paths), When: known.When})
			continue
		}
		out = append(out, Ignore{Paths: slices.Clone(f.Paths), When: firstOf(f.When, OnEdgeChange)})
	}
	return out
}
