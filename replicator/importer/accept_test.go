package importer

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/change"
)

const (
	secretJSON = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"}}`
	mapJSON    = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"db","namespace":"shop"},"data":{"a":"a Secret"}}`
	widgetJSON = `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"db","namespace":"shop"}}`
)

// secretProto is a Secret as an API server stores it.
const secretProto = "k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x12\n\x10\n\x02db\x12\x00\x1a\x04shop\"\x00*\x00"

func TestAccept(t *testing.T) {
	lists := Accept{Prefixes: []string{"/kubernetes/", "/flags/"}, Resources: []string{"configmaps", "widgets.example.com", "namespaces"}, Namespaces: []string{"shop"}}
	for _, c := range []struct {
		name       string
		accept     Accept
		key, value string
		want       string // a part of what to try; "" is accepted
	}{
		{"a flag", Accept{}, "/flags/a", "on", ""},
		{"a value that tells of Secrets", Accept{}, "/flags/a", `{"text":"a Secret"}`, ""},
		{"a template", Accept{}, "/flags/a", "{{ .Secret }}", ""},
		{"an object", Accept{}, "/kubernetes/configmaps/shop/db", mapJSON, ""},
		{"a Secret", Accept{}, "/kubernetes/secrets/shop/db", secretJSON, "secrets: true"},
		{"a Secret by its key", Accept{}, "/kubernetes/secrets/shop/db", "?", "secrets: true"},
		{"a stored Secret by its key", Accept{}, "/registry/secrets/shop/db", "?", "secrets: true"},
		{"a Secret by its value", Accept{}, "/flags/a", secretJSON, "secrets: true"},
		{"a Secret behind an escape", Accept{}, "/flags/a", strings.Replace(secretJSON, "Secret", `\u0053ecret`, 1), "secrets: true"},
		{"a Secret behind spaces", Accept{}, "/flags/a", "\n  " + secretJSON, "secrets: true"},
		{"a Secret in protobuf", Accept{}, "/flags/a", secretProto, "secrets: true"},
		{"a Secret that says its kind twice", Accept{}, "/flags/a", strings.Replace(secretJSON, `"kind":`, `"kind":"ConfigMap","kind":`, 1), "secrets: true"},
		{"a Secret of another spelling", Accept{}, "/flags/a", strings.Replace(secretJSON, `"kind"`, `"Kind"`, 1), "secrets: true"},
		{"a Secret of two spellings", Accept{}, "/flags/a", strings.Replace(secretJSON, `"kind":`, `"kind":"ConfigMap","KIND":`, 1), "secrets: true"},
		{"a Secret spelled with another k", Accept{}, "/flags/a", strings.Replace(secretJSON, `"kind"`, `"\u212aind"`, 1), "secrets: true"},
		{"a Secret whose version is spelled otherwise", Accept{}, "/flags/a", strings.Replace(secretJSON, `"apiVersion"`, `"APIVersion"`, 1), "secrets: true"},
		{"another spelling below", Accept{}, "/flags/a", `{"of":{"Kind":"Secret"}}`, ""},
		{"another spelling of something else", lists, "/flags/a", `{"Kind":"Fruit"}`, ""},
		{"another spelling with consent", Accept{Secrets: true}, "/flags/a", strings.Replace(secretJSON, `"kind"`, `"Kind"`, 1), ""},
		{"what is encrypted", Accept{}, "/flags/a", "k8s:enc:aescbc:v1:k1:x", "secrets: true"},
		{"a Secret of another group", Accept{}, "/flags/a", strings.Replace(secretJSON, `"v1"`, `"example.com/v1"`, 1), ""},
		{"an accepted Secret", Accept{Secrets: true}, "/kubernetes/secrets/shop/db", secretJSON, ""},
		{"an accepted Secret of no listed resource", Accept{Secrets: true, Resources: []string{"configmaps"}}, "/flags/a", secretJSON, `"secrets" to accept.resources`},
		{"everything listed", lists, "/kubernetes/configmaps/shop/db", mapJSON, ""},
		{"no object", lists, "/flags/a", "on", ""},
		{"another prefix", lists, "/apps/x/a", "on", `"/apps/x/" to accept.prefixes`},
		{"another resource by its key", lists, "/kubernetes/deployments.apps/shop/db", "?", `"deployments.apps" to accept.resources`},
		{"another resource by its value", lists, "/flags/a", strings.Replace(mapJSON, "ConfigMap", "Service", 1), `"services" to accept.resources`},
		{"a custom resource", lists, "/kubernetes/widgets.example.com/shop/db", widgetJSON, ""},
		{"another namespace by its key", lists, "/kubernetes/configmaps/bank/db", mapJSON, `"bank" to accept.namespaces`},
		{"another namespace by its value", lists, "/flags/a", strings.Replace(mapJSON, `"shop"`, `"bank"`, 1), `"bank" to accept.namespaces`},
		{"a namespace itself", lists, "/kubernetes/namespaces/shop", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`, ""},
		{"another namespace itself", lists, "/kubernetes/namespaces/bank", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bank"}}`, `"bank" to accept.namespaces`},
		{"a released key", lists, "/apps/a", string(change.Released), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if u := c.accept.refuses(change.Change{Op: change.Put, Key: []byte(c.key), Value: []byte(c.value)}); u != nil {
				got = u.try
			}
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("try %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever is delivered, it is decided about, and a Secret in plain sight is
// told.
func FuzzAccept(f *testing.F) {
	for _, value := range []string{secretJSON, mapJSON, secretProto, "k8s\x00", "{"} {
		f.Add([]byte("/kubernetes/secrets/shop/db"), []byte(value))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for _, x := range []Accept{{}, {Secrets: true, Resources: []string{"configmaps"}, Namespaces: []string{"shop"}, Prefixes: []string{"/a"}}} {
			x.refuses(change.Change{Op: change.Put, Key: key, Value: value})
			x.refuses(change.Change{Op: change.Delete, Key: key})
		}
	})
}
