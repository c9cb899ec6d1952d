package target

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// What API servers of several versions say of fields that cannot be changed in
// place, and of others.
func TestImmutableFieldsAreToldFromOtherMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, words string
		immutable   bool
	}{
		{"rolebindings.rbac.authorization.k8s.io", `RoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"c"}: cannot change roleRef`, true},
		{"clusterrolebindings.rbac.authorization.k8s.io", `ClusterRoleBinding.rbac.authorization.k8s.io "b" is invalid: roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"c"}: field is immutable`, true},
		{"pods", "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)\n  core.PodSpec{", true},
		{"pods", `Pod "p" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers`, true},
		{"statefulsets.apps", `StatefulSet.apps "s" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden`, true},
		{"statefulsets.apps", `StatefulSet.apps "s" is invalid: spec.serviceName: Invalid value: "b": field is immutable`, true},
		{"deployments.apps", `Deployment.apps "d" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable`, true},
		{"jobs.batch", `Job.batch "j" is invalid: spec.template: Invalid value: core.PodTemplateSpec{...}: field is immutable`, true},
		{"services", `Service "s" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.9"]: may not change once set`, true},
		{"services", `Service "s" is invalid: spec.clusterIP: Invalid value: "": field is immutable`, true},
		{"configmaps", "ConfigMap \"c\" is invalid: data: Forbidden: field is immutable when `immutable` is set", true},
		{"secrets", `Secret "s" is invalid: type: Invalid value: "Opaque": field is immutable`, true},
		{"storageclasses.storage.k8s.io", `StorageClass.storage.k8s.io "s" is invalid: parameters: Forbidden: updates to parameters are forbidden.`, true},
		{"storageclasses.storage.k8s.io", `StorageClass.storage.k8s.io "s" is invalid: provisioner: Forbidden: updates to provisioner are forbidden.`, true},
		{"storageclasses.storage.k8s.io", `StorageClass.storage.k8s.io "s" is invalid: reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.`, true},
		{"priorityclasses.scheduling.k8s.io", `PriorityClass.scheduling.k8s.io "p" is invalid: value: Forbidden: may not be changed in an update.`, true},
		{"persistentvolumes", "PersistentVolume \"v\" is invalid: spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n  core.PersistentVolumeSource{", true},

		{"persistentvolumeclaims", "PersistentVolumeClaim \"c\" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n  core.PersistentVolumeClaimSpec{", false}, // it is never deleted
		{"services", `Service "s" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive`, false},
		{"deployments.apps", `Deployment.apps "d" is invalid: spec.template.metadata.labels: Invalid value: {"app":"b"}: ` + "`selector` does not match template `labels`", false},
	} {
		err := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: c.words}}
		r, ok := refusal([]byte("k"), name{word: c.word, name: "x"}, fmt.Errorf("apply: %w", err))
		if !ok || r.Why != status.Rejected || r.Immutable != c.immutable {
			t.Errorf("%s: refused %t as %q, immutable %t", c.words, ok, r.Why, r.Immutable)
		}
		if c.immutable != strings.Contains(fault.Try(r.Err), "onImmutable: recreate") {
			t.Errorf("%s: try %q", c.words, fault.Try(r.Err))
		}
	}
}
