package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/testbed/kube"
)

// runs a command in this process.
func runs(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), process{
		args: args, env: func(string) (string, bool) { return "", false },
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
	})
	return code, out.String(), errs.String()
}

const objectsPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  rules:
    - name: shop
      resources: [configmaps, gadgets.example.com]
      namespaces: [kube-system]
`

const throughAPI = `apiVersion: syncer/v1alpha1
kind: Exporter
name: cloud
source: {kubernetes: {kubeconfig: %q}}
hub: {embedded: {}}
policies: [shop.yaml]
dataDir: exporter
`

// The doctor looks at the API server that is read, and explain shows what it
// holds; an account without rights is told which.
func TestDoctorOfAnAPIServer(t *testing.T) {
	p := kube.New(t, kube.Options{NoControllers: true})
	err := p.Client().Apply(t.Context(), map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"colour": "blue"},
		"metadata": map[string]any{"name": "app", "namespace": "kube-system", "labels": map[string]any{"app": "shop"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	policy := write("shop.yaml", objectsPolicy)
	file := write("cloud.yaml", fmt.Sprintf(throughAPI, p.Kubeconfig()))
	code, out, errs := runs(t, "doctor", "-c", file)
	for _, want := range []string{
		"source API server\n", "Kubernetes v1.", "tier kubernetes",
		"shop selects what the API server does not have: gadgets.example.com",
		"shop may be read and followed,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor does not say %q", want)
		}
	}
	if code != 0 || strings.Contains(out, "source etcd") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}

	code, out, errs = runs(t, "policy", "explain", "-f", policy, "-c", file, "configmaps/kube-system/app")
	if code != 0 || !strings.Contains(out, "colour: blue") {
		t.Errorf("explain ends with %d\n%s\n%s", code, out, errs)
	}

	admin, err := os.ReadFile(p.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	nobody := write("kubeconfig", strings.Replace(string(admin), "{token:", "{as: nobody, token:", 1))
	file = write("nobody.yaml", fmt.Sprintf(throughAPI, nobody))
	code, out, errs = runs(t, "doctor", "-c", file)
	const rule = `add to a ClusterRole of nobody the rule {apiGroups: [""], resources: ["namespaces"], resourceNames: ["kube-system"], verbs: ["list"]}`
	if code != 3 || !strings.Contains(out+errs, rule) {
		t.Errorf("without rights the doctor ends with %d\n%s\n%s", code, out, errs)
	}
}
