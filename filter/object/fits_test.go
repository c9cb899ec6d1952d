package object

import (
	"slices"
	"testing"
)

func TestFits(t *testing.T) {
	for _, test := range []struct{ word, text, want string }{
		{"deployments.apps", `{"spec":{"replicas":3}}`, ""},
		{"deployments.apps", `{"spec":{"replicas":"three"}}`, "spec.replicas takes a whole number, not text"},
		{"deployments.apps", `{"spec":{"paused":1}}`, "spec.paused takes true or false, not a number"},
		{"deployments.apps", `{"spec":{"replicas":3000000000}}`, "spec.replicas takes a whole number, not 3000000000"},
		{"deployments.apps", `{"spec":{"template":[]}}`, "spec.template takes a mapping, not a list"},
		{"deployments.apps", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":"25%"}}}}`, ""},
		{"deployments.apps", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":2}}}}`, ""},
		{"deployments.apps", `{"spec":{"Replicas":3}}`, "there is no field spec.Replicas"},
		{"configmaps", `{"binaryData":{"a":"no base64"}}`, "illegal base64 data at input byte 2"},
		{"apiservices.apiregistration.k8s.io", `{"spec":3}`, ""},
		{"widgets.example.com", `{"spec":3}`, ""},
	} {
		got := ""
		if err := Fits(test.word, []byte(test.text)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s %s: %q, want %q", test.word, test.text, got, test.want)
		}
	}
}

func TestLacks(t *testing.T) {
	for _, test := range []struct {
		word  string
		names []string
		at    int    // the name that it lacks, or -1
		there string // one of the names that are there instead
	}{
		{"deployments.apps", []string{"spec", "template", "spec", "containers", "image"}, -1, ""},
		{"deployments.apps", []string{"spec", "template", "spec", "containers", "img"}, 4, "image"},
		{"deployments.apps", []string{"spec", "template", "spec", "containers", "resources", "limits", "cpu"}, -1, ""},
		{"deployments.apps", []string{"spec", "template", "metadata", "labels", "any/thing"}, -1, ""},
		{"deployments.apps", []string{"spec", "replicas", "x"}, -1, ""}, // no value fits, which Fits says
		{"deployments.apps", []string{"data"}, 0, "spec"},
		{"deployments.apps", []string{"metadata", "lables"}, 1, "labels"},
		{"customresourcedefinitions.apiextensions.k8s.io", []string{"spec", "versions", "schema", "openAPIV3Schema", "properties", "x", "default", "y"}, -1, ""},
		{"widgets.example.com", []string{"anything"}, -1, ""},
	} {
		at, instead, lacks := Lacks(test.word, test.names)
		if lacks != (test.at >= 0) || lacks && (at != test.at || !slices.Contains(instead, test.there)) {
			t.Errorf("%s %v: %d, %v, %v", test.word, test.names, at, lacks, instead)
		}
	}
}
