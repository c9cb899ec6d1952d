package object

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// testdata/keys.txt has the paths that Kubernetes 1.37 tests its own storage
// against, each with the word of its resource.
func TestEveryKeyOfKubernetesIsRead(t *testing.T) {
	seen := map[string]bool{}
	for key, word := range storedKeys(t) {
		k, err := ParseKey("/registry", []byte(key))
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if word == "events.events.k8s.io" {
			word = "events" // stored as those of the core
		}
		if k.Word() != word {
			t.Errorf("%s: read as %s, want %s", key, k.Word(), word)
		}
		if back := string(k.StorageKey("/registry")); back != key {
			t.Errorf("%s: comes back as %s", key, back)
		}
		if _, ok := Lookup(word); !ok {
			t.Errorf("%s: no such word", word)
		}
		seen[word] = true
	}
	for _, word := range Words() {
		if !seen[word] {
			t.Errorf("%s: in the table, but not stored by Kubernetes", word)
		}
	}
}

func storedKeys(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(file)); lines.Scan(); {
		key, word, _ := strings.Cut(lines.Text(), " ")
		keys[key] = word
	}
	return keys
}

func TestParseKey(t *testing.T) {
	for _, test := range []struct{ prefix, key, want string }{
		{"/registry", "/registry/deployments/shop/web", "deployments.apps shop/web"},
		{"registry/", "/registry/services/specs/shop/web", "services shop/web"},
		{"kubernetes.io", "/kubernetes.io/minions/n1", "nodes n1"},
		{"/a/b", "/a/b/controllers/shop/web", "replicationcontrollers shop/web"},
		{"", "/ingress/shop/web", "ingresses.networking.k8s.io shop/web"},
		{"/registry", "/registry/clusterroles/system:node", "clusterroles.rbac.authorization.k8s.io system:node"},
		{"/registry", "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", "customresourcedefinitions.apiextensions.k8s.io widgets.example.com"},
		{"/registry", "/registry/example.com/widgets/shop/a", "widgets.example.com shop/a"},
		{"/registry", "/registry/example.com/plants/a", "plants.example.com a"},
	} {
		k, err := ParseKey(test.prefix, []byte(test.key))
		if err != nil || k.String() != test.want {
			t.Errorf("%s below %q: %v, %v; want %s", test.key, test.prefix, k, err, test.want)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, key := range []string{
		"", "/registry", "/registry/", "/registry/deployments", "/registry/deployments/",
		"/registryx/configmaps/shop/a",
		"/registry/deployments/web",             // no namespace
		"/registry/namespaces/shop/web",         // a namespace too many
		"/registry/deployments/shop/web/status", // a part too many
		"/registry/deployments/shop/",
		"/registry/deployments//web",
		"/registry/deployments/shop/..",
		"/registry/deployments/./web",
		"/registry/configmaps/shop/a%2fb",
		"/registry/configmaps/shop/\xff",
		"/registry/services/shop/web",
		"/registry/ranges/servicenodeports",
		"/registry/masterleases/10.0.0.1",
		"/registry/peerserverleases/x",
		"/registry/apps/deployments/shop/web",
		"/registry/networking.k8s.io/ingresses/shop/web",
		"/registry/example.com/widgets",
		"/registry/example.com/widgets.x/shop/a",
		"/registry/example.com//a",
		"compact_rev_key",
	} {
		k, err := ParseKey("/registry", []byte(key))
		var r *Refusal
		if !errors.As(err, &r) || r.Try == "" {
			t.Errorf("%q: %v, %v; want a refusal with a remedy", key, k, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("/registry", "/registry/services/specs/shop/web")
	f.Add("kubernetes.io", "/kubernetes.io/example.com/widgets/shop/a")
	f.Add("", "/minions/n1")
	f.Fuzz(func(t *testing.T, prefix, key string) {
		k, err := ParseKey(prefix, []byte(key))
		if err != nil {
			return
		}
		if back := string(k.StorageKey(prefix)); back != key {
			t.Fatalf("%q below %q is %+v, which comes back as %q", key, prefix, k, back)
		}
	})
}
