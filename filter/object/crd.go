package object

import (
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensionsbeta "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
)

// API servers of all versions store custom resource definitions as v1beta1,
// which is shorter, and no longer serve it.
var definitionBeta = extensionsbeta.SchemeGroupVersion.WithKind("CustomResourceDefinition")

func definitionToV1(beta runtime.Object) (runtime.Object, error) {
	var internal apiextensions.CustomResourceDefinition
	if err := scheme().Convert(beta, &internal, nil); err != nil {
		return nil, fmt.Errorf("read a custom resource definition: %w", err)
	}
	var v1 extensions.CustomResourceDefinition
	if err := scheme().Convert(&internal, &v1, nil); err != nil {
		return nil, fmt.Errorf("make a custom resource definition v1: %w", err)
	}
	return &v1, nil
}
