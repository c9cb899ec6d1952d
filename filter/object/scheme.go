package object

import (
	"sync"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apiserverinternal "k8s.io/api/apiserverinternal/v1alpha1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	certificatesbeta "k8s.io/api/certificates/v1beta1"
	coordination "k8s.io/api/coordination/v1"
	coordinationbeta "k8s.io/api/coordination/v1beta1"
	core "k8s.io/api/core/v1"
	discoveryapi "k8s.io/api/discovery/v1"
	flowcontrol "k8s.io/api/flowcontrol/v1"
	lifecycle "k8s.io/api/lifecycle/v1alpha1"
	networking "k8s.io/api/networking/v1"
	node "k8s.io/api/node/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	resource "k8s.io/api/resource/v1"
	resourcealpha "k8s.io/api/resource/v1alpha3"
	resourcebeta "k8s.io/api/resource/v1beta2"
	scheduling "k8s.io/api/scheduling/v1"
	schedulingalpha "k8s.io/api/scheduling/v1alpha3"
	schedulingbeta "k8s.io/api/scheduling/v1beta1"
	storage "k8s.io/api/storage/v1"
	storagemigration "k8s.io/api/storagemigration/v1beta1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scheme knows the Go types of the built-in resources. What registers a type
// in it is what makes its decoder part of the binary.
var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, register := range []func(*runtime.Scheme) error{
		admissionregistration.AddToScheme, apiserverinternal.AddToScheme, apps.AddToScheme, autoscaling.AddToScheme,
		batch.AddToScheme, certificates.AddToScheme, certificatesbeta.AddToScheme, coordination.AddToScheme,
		coordinationbeta.AddToScheme, core.AddToScheme, discoveryapi.AddToScheme, flowcontrol.AddToScheme,
		lifecycle.AddToScheme, networking.AddToScheme, node.AddToScheme, policy.AddToScheme, rbac.AddToScheme,
		resource.AddToScheme, resourcealpha.AddToScheme, resourcebeta.AddToScheme, scheduling.AddToScheme,
		schedulingalpha.AddToScheme, schedulingbeta.AddToScheme, storage.AddToScheme, storagemigration.AddToScheme,
	} {
		if err := register(s); err != nil {
			panic(err) // a type that is registered twice
		}
	}
	install.Install(s)
	return s
})

func (r Resource) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.version, Kind: r.Kind}
}
