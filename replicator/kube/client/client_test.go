package client

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
  - {name: store, cluster: {server: %q, insecure-skip-tls-verify: true}}
users:
  - {name: admin, user: {token: %s}}
contexts:
  - {name: store-1, context: {cluster: store, user: admin}}
  - {name: broken, context: {cluster: none, user: admin}}
  - {name: nobody, context: {cluster: store, user: none}}
current-context: store-1
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func connect(t *testing.T, c Config) error {
	t.Helper()
	_, err := Connect(t.Context(), c, slog.New(slog.DiscardHandler))
	return err
}

// wants an error of a class whose text and remedy hold words.
func wants(t *testing.T, what string, err error, class fault.Class, text, try string) {
	t.Helper()
	if err == nil || fault.ExitCode(err) != int(class) || !strings.Contains(err.Error(), text) || !strings.Contains(fault.Try(err), try) {
		t.Errorf("%s: exit %d, %v; try: %s", what, fault.ExitCode(err), err, fault.Try(err))
	}
}

func TestWhatIsWrongWithAKubeconfigIsSaid(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	good := write(t, fmt.Sprintf(kubeconfig, "https://127.0.0.1:1", "x"))
	missing := filepath.Join(t.TempDir(), "none")
	for what, c := range map[string]struct {
		config    Config
		class     fault.Class
		text, try string
	}{
		"no pod":          {Config{}, fault.Usage, "no pod", "name a kubeconfig"},
		"missing":         {Config{Kubeconfig: missing}, fault.Usage, missing, "check the path"},
		"no YAML":         {Config{Kubeconfig: write(t, "{")}, fault.Usage, "not readable", "kubectl config view"},
		"empty":           {Config{Kubeconfig: write(t, "apiVersion: v1\nkind: Config\n")}, fault.Usage, "no current context", "(it has none)"},
		"context":         {Config{Kubeconfig: good, Context: "store-2"}, fault.Usage, `no context "store-2"`, `did you mean "store-1"?`},
		"another context": {Config{Kubeconfig: good, Context: "production"}, fault.Usage, `no context "production"`, "broken, nobody, store-1"},
		"no cluster":      {Config{Kubeconfig: good, Context: "broken"}, fault.Usage, `cluster "none"`, "store"},
		"no user":         {Config{Kubeconfig: good, Context: "nobody"}, fault.Usage, `user "none"`, "admin"},
		"nobody there":    {Config{Kubeconfig: good}, fault.Unreachable, "127.0.0.1:1", "is running"},
	} {
		wants(t, what, connect(t, c.config), c.class, c.text, c.try)
	}
}

// serving is a server that answers every question alike.
func serving(t *testing.T, code int, text string) Config {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	return Config{Kubeconfig: write(t, fmt.Sprintf(kubeconfig, s.URL, "x"))}
}

func TestWhatIsWrongWithAServerIsSaid(t *testing.T) {
	for what, c := range map[string]struct {
		code      int
		answer    string
		class     fault.Class
		text, try string
	}{
		"old":        {200, `{"major":"1","minor":"21+","gitVersion":"v1.21.4"}`, fault.Check, "v1.21.4", "1.22"},
		"no server":  {200, `hello`, fault.Usage, "not readable", "no API server"},
		"no version": {200, `{}`, fault.Usage, "not readable", "no API server"},
		"logged out": {401, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`, fault.Refused, "Unauthorized", "expired"},
		"nobody":     {403, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"forbidden: User \"system:anonymous\" cannot get path \"/version\"","reason":"Forbidden","code":403}`, fault.Refused, "anonymous", "no credentials"},
		"starting":   {503, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not yet","reason":"ServiceUnavailable","code":503}`, fault.Unreachable, "not yet", "readyz"},
	} {
		wants(t, what, connect(t, serving(t, c.code, c.answer)), c.class, c.text, c.try)
	}
	for minor, want := range map[string]bool{"22": true, "37": true, "x": true, "9": false} {
		err := connect(t, serving(t, 200, fmt.Sprintf(`{"major":"1","minor":%q,"gitVersion":"v"}`, minor)))
		if (err == nil) != want {
			t.Errorf("version 1.%s: %v", minor, err)
		}
	}
}

// A real server: credentials that it does not know, and rights that a user does
// not have.
func TestWhatIsNotAllowedIsSaid(t *testing.T) {
	p := kube.New(t, kube.Options{NoControllers: true})
	log := slog.New(slog.DiscardHandler)
	wrong := rest.CopyConfig(p.Config)
	wrong.BearerToken = "expired"
	_, err := Over(t.Context(), wrong, "test", log)
	wants(t, "expired", err, fault.Refused, "Unauthorized", "expired")

	poor := rest.CopyConfig(p.Config)
	poor.Impersonate.UserName = "edge"
	c, err := Over(t.Context(), poor, "test", log)
	if err != nil {
		t.Fatal(err)
	}
	if c.Version.GitVersion != kube.Version {
		t.Errorf("the version is %s", c.Version.GitVersion)
	}
	get := func(r schema.GroupVersionResource, namespace string) error {
		_, err := c.Objects.Resource(r).Namespace(namespace).Get(t.Context(), "x", metav1.GetOptions{})
		return c.Explain(err)
	}
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	wants(t, "in a namespace", get(deployments, "shop"), fault.Refused, "cannot get",
		`add to a Role in namespace shop, or a ClusterRole, of edge the rule {apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"]}`)
	wants(t, "of the cluster", get(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, ""), fault.Refused, "cannot get",
		`add to a ClusterRole of edge the rule {apiGroups: [""], resources: ["nodes"], verbs: ["get"]}`)

	// The rule that is printed is the one that was missing.
	rule := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "edge"},
		"rules": []any{map[string]any{"apiGroups": []any{"apps"}, "resources": []any{"deployments"}, "verbs": []any{"get"}}},
	}
	binding := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": "edge"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edge"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "edge"}},
	}
	for _, o := range []map[string]any{rule, binding} {
		if err := p.Client().Apply(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	err = p.Await(t.Context(), "the rule to count", func(context.Context) error {
		if err := get(deployments, "shop"); err != nil && !strings.Contains(err.Error(), "not found") {
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestResourcesAreFoundByTheirWords(t *testing.T) {
	p := kube.New(t, kube.Options{NoControllers: true})
	c, err := Over(t.Context(), p.Config, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"configmaps":                           "/v1, Resource=configmaps",
		"deployments.apps":                     "apps/v1, Resource=deployments",
		"horizontalpodautoscalers.autoscaling": "autoscaling/v2, Resource=horizontalpodautoscalers",
		"deployments":                          "",
		"deployments.app":                      "",
		"widgets.example.com":                  "",
	} {
		m, err := c.Resource(t.Context(), word)
		if want == "" != (err != nil) || want != "" && m.Resource.String() != want {
			t.Errorf("%s is %v, %v", word, m, err)
		}
	}
	all, err := c.Listable(t.Context())
	if err != nil || len(all) < 40 {
		t.Errorf("%d resources, %v", len(all), err)
	}
}
