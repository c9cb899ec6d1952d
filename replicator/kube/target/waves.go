package target

import "slices"

// waves are the resources in the order in which they are applied: each may need
// what stands before it. Within a wave the order does not matter.
var waves = [][]string{
	{"namespaces"},
	{"customresourcedefinitions.apiextensions.k8s.io"},
	{
		"priorityclasses.scheduling.k8s.io", "runtimeclasses.node.k8s.io", "storageclasses.storage.k8s.io",
		"ingressclasses.networking.k8s.io", "csidrivers.storage.k8s.io", "volumeattributesclasses.storage.k8s.io",
		"deviceclasses.resource.k8s.io",
	},
	{"serviceaccounts", "roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"},
	{"rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"},
	{"limitranges", "resourcequotas", "networkpolicies.networking.k8s.io"},
	{"configmaps", "secrets", "persistentvolumes", "persistentvolumeclaims", "podtemplates", "resourceclaimtemplates.resource.k8s.io"},
	{"services"}, // Pods get its environment variables at their start
	nil,          // workloads, custom resources and all that is not named
	{"poddisruptionbudgets.policy", "horizontalpodautoscalers.autoscaling", "ingresses.networking.k8s.io"},
	{
		"mutatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicies.admissionregistration.k8s.io",
	},
	{
		"mutatingadmissionpolicybindings.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io",
		"mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfigurations.admissionregistration.k8s.io",
	},
}

var waveByWord, usualWave = indexWaves()

func indexWaves() (map[string]int, int) {
	byWord := map[string]int{}
	for i, words := range waves {
		for _, w := range words {
			byWord[w] = i
		}
	}
	return byWord, slices.IndexFunc(waves, func(words []string) bool { return words == nil })
}

// waveOf is the wave of a resource.
func waveOf(word string) int {
	if i, ok := waveByWord[word]; ok {
		return i
	}
	return usualWave
}

const (
	definitions = "customresourcedefinitions.apiextensions.k8s.io"
)

// protected are resources that are never deleted here, because more goes with
// them than was replicated: what is in a namespace, all objects of a definition,
// the data of a claim. An object of them that should go stays as it is, and is
// ours no more.
var protected = []string{"namespaces", definitions, "persistentvolumeclaims"}

func isProtected(word string) bool { return slices.Contains(protected, word) }
