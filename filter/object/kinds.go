package object

import (
	"maps"
	"slices"
	"strings"
)

// cleanKind is what is special about a kind.
var cleanKind = map[string]func(*cleaning){
	"services":                               (*cleaning).service,
	"jobs.batch":                             (*cleaning).job,
	"cronjobs.batch":                         (*cleaning).cronJob,
	"persistentvolumeclaims":                 (*cleaning).claim,
	"persistentvolumes":                      (*cleaning).volume,
	"serviceaccounts":                        (*cleaning).serviceAccount,
	"namespaces":                             (*cleaning).namespace,
	"pods":                                   (*cleaning).pod,
	"podtemplates":                           func(c *cleaning) { podTemplate(child(c.fields, "template")) },
	"deployments.apps":                       (*cleaning).template,
	"daemonsets.apps":                        (*cleaning).template,
	"replicasets.apps":                       (*cleaning).replicaSet,
	"replicationcontrollers":                 (*cleaning).template,
	"statefulsets.apps":                      (*cleaning).statefulSet,
	"clusterroles.rbac.authorization.k8s.io": (*cleaning).clusterRole,
	"horizontalpodautoscalers.autoscaling": func(c *cleaning) {
		c.dropAnnotations("autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics")
	},
}

// A Service keeps the addresses and ports that somebody asked for: the range
// of another cluster has no place for allocated ones.
func (c *cleaning) service() {
	if ip, _ := c.spec["clusterIP"].(string); ip != "None" && !c.asked.has("f:spec", "f:clusterIP") && !c.asked.has("f:spec", "f:clusterIPs") {
		delete(c.spec, "clusterIP")
		delete(c.spec, "clusterIPs")
	}
	for _, name := range []string{"ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"} {
		if !c.asked.has("f:spec", "f:"+name) {
			delete(c.spec, name)
		}
	}
	for _, p := range list(c.spec, "ports") {
		port, ok := p.(map[string]any)
		if ok && !c.asked.hasInItem([]string{"f:spec", "f:ports"}, port, "f:nodePort") {
			delete(port, "nodePort")
		}
	}
}

// The labels that a Job makes of its own UID, and selects its Pods by.
var jobLabels = []string{"controller-uid", "batch.kubernetes.io/controller-uid"}

func (c *cleaning) job() {
	jobSpec(c.spec, child(c.metadata, "labels"))
	c.dropAnnotations("batch.kubernetes.io/job-tracking")
}

func (c *cleaning) cronJob() {
	template := child(c.spec, "jobTemplate")
	jobSpec(child(template, "spec"), child(child(template, "metadata"), "labels"))
}

func jobSpec(spec, labels map[string]any) {
	template := child(spec, "template")
	podTemplate(template)
	if manual, _ := spec["manualSelector"].(bool); manual {
		return
	}
	delete(spec, "selector")
	for _, name := range jobLabels {
		delete(labels, name)
		delete(child(child(template, "metadata"), "labels"), name)
	}
}

func (c *cleaning) template() { podTemplate(child(c.spec, "template")) }

// podTemplate leaves the choice of a node to the other cluster.
func podTemplate(template map[string]any) { delete(child(template, "spec"), "nodeName") }

func (c *cleaning) replicaSet() {
	c.template()
	c.dropAnnotations("deployment.kubernetes.io/*")
}

func (c *cleaning) statefulSet() {
	c.template()
	for _, t := range list(c.spec, "volumeClaimTemplates") {
		if template, ok := t.(map[string]any); ok {
			delete(template, "status")
		}
	}
}

// A claim is a request: what it is bound to, and by whom, is of one cluster.
func (c *cleaning) claim() {
	delete(c.spec, "volumeName")
	c.dropAnnotations("pv.kubernetes.io/*", "volume.kubernetes.io/selected-node",
		"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
}

func (c *cleaning) volume() {
	reference := child(c.spec, "claimRef")
	delete(reference, "uid")
	delete(reference, "resourceVersion")
	c.dropAnnotations("pv.kubernetes.io/bound-by-controller")
}

func (c *cleaning) serviceAccount() { delete(c.fields, "secrets") }

func (c *cleaning) namespace() {
	delete(c.fields, "spec")
	delete(child(c.metadata, "labels"), "kubernetes.io/metadata.name")
}

// A ClusterRole that gathers others has its rules from those of its cluster.
func (c *cleaning) clusterRole() {
	if len(child(c.fields, "aggregationRule")) > 0 {
		delete(c.fields, "rules")
	}
}

// What admission adds to every Pod.
const tokenVolume = "kube-api-access-"

var defaultTolerations = []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}

func (c *cleaning) pod() {
	for _, name := range []string{"nodeName", "priority", "preemptionPolicy"} {
		delete(c.spec, name)
	}
	dropItems(c.spec, "volumes", isTokenVolume)
	for _, containers := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, e := range list(c.spec, containers) {
			if container, ok := e.(map[string]any); ok {
				dropItems(container, "volumeMounts", isTokenVolume)
			}
		}
	}
	dropItems(c.spec, "tolerations", isDefaultToleration)
}

func isTokenVolume(item map[string]any) bool {
	name, _ := item["name"].(string)
	return strings.HasPrefix(name, tokenVolume)
}

func isDefaultToleration(item map[string]any) bool {
	key, _ := item["key"].(string)
	return slices.Contains(defaultTolerations, key) && maps.Equal(item, map[string]any{
		"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": int64(300),
	})
}

func dropItems(fields map[string]any, name string, drop func(map[string]any) bool) {
	items := list(fields, name)
	kept := slices.DeleteFunc(items, func(e any) bool {
		item, ok := e.(map[string]any)
		return ok && drop(item)
	})
	if len(items) > 0 && len(kept) == 0 {
		delete(fields, name)
	} else if len(items) > 0 {
		fields[name] = kept
	}
}
