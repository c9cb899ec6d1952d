package object

import "testing"

func TestLookup(t *testing.T) {
	for word, want := range map[string]bool{
		"configmaps": true, "deployments.apps": true, "widgets.example.com": true,
		"customresourcedefinitions.apiextensions.k8s.io": true,
		"gateways.gateway.networking.k8s.io":             true, // custom, beside a built-in group
		"deployments":                                    false, "ConfigMaps": false, "configmaps.apps": false, "": false,
		"events.events.k8s.io": false, "foos.networking.k8s.io": false, "widgets.example": false,
		"*.example.com": false, "a/b.example.com": false, "widgets.Example.com": false,
	} {
		if r, ok := Lookup(word); ok != want || ok && r.Word != word {
			t.Errorf("%q: %+v, %v", word, r, ok)
		}
	}
}

func TestSuggest(t *testing.T) {
	for word, want := range map[string]string{
		"deployments": "deployments.apps", "Deployment": "deployments.apps", "configmap": "configmaps",
		"ingresses.extensions": "ingresses.networking.k8s.io", "widgets": "",
		"cm": "configmaps", "deploy": "deployments.apps", "PO": "pods", "svc.core": "services",
		"apps.deployments": "deployments.apps", "networking.k8s.io.ingresses": "ingresses.networking.k8s.io",
	} {
		if got, _ := Suggest(word); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestShortNamesAreOfResources(t *testing.T) {
	for plural, short := range shortNames {
		for _, name := range short {
			if word, _ := Suggest(name); byWord[word] == nil || byWord[word].Plural != plural {
				t.Errorf("%s is %q, not %s", name, word, plural)
			}
		}
	}
}

func TestTheTableIsSound(t *testing.T) {
	places := map[string]string{}
	for _, r := range Resources() {
		if (r.Class == Deny) != (r.Reason != "") {
			t.Errorf("%s: %v with the reason %q", r.Word, r.Class, r.Reason)
		}
		if other, twice := places[r.StoragePrefix]; twice {
			t.Errorf("%s and %s have one place", r.Word, other)
		}
		places[r.StoragePrefix] = r.Word
		k := Key{Group: r.Group, Resource: r.Plural, Name: "x", Namespaced: r.Namespaced}
		if r.Namespaced {
			k.Namespace = "shop"
		}
		if back, err := ParseKey("/registry", k.StorageKey("/registry")); back != k {
			t.Errorf("%+v comes back as %+v, %v", k, back, err)
		}
	}
}
