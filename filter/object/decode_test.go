package object

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// samples are the directories of k8s.io/api that hold every built-in kind with
// every field filled, one directory per version of Kubernetes.
func samples(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "testdata", "*", "core.v1.Pod.pb"))
	if err != nil || len(dirs) < 2 {
		t.Fatal(dirs, err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

// What of these samples syncer must refuse: alpha fields that lived for one
// version.
var gone = map[string]string{
	"v1.35.0 template.spec has a field that syncer does not know (number 42)": "workloadRef",
	"v1.35.0 spec has a field that syncer does not know (number 42)":          "workloadRef",
	"v1.36.0 spec.devices has a field that syncer does not know (number 13)":  "of a ResourceSlice",
}

func isGone(dir string, err error) bool {
	for what := range gone {
		version, reason, _ := strings.Cut(what, " ")
		if filepath.Base(dir) == version && strings.HasSuffix(err.Error(), reason) {
			return true
		}
	}
	return false
}

func TestEveryKindOfEveryVersion(t *testing.T) {
	kinds := map[string]bool{}
	for _, dir := range samples(t) {
		for _, r := range Resources() {
			group := r.Group
			if group == "" {
				group = "core"
			}
			base := filepath.Join(dir, group+"."+r.version+"."+r.Kind)
			inProtobuf, err := os.ReadFile(base + ".pb")
			if err != nil {
				continue // that version does not have the kind
			}
			inJSON, err := os.ReadFile(base + ".json")
			if err != nil {
				t.Fatal(err)
			}
			kinds[r.Word] = true
			m, err := ReadMeta(inProtobuf)
			if err != nil {
				t.Errorf("%s: %v", base, err)
				continue
			}
			k := Key{Group: r.Group, Resource: r.Plural, Namespace: m.Namespace, Name: m.Name, Namespaced: r.Namespaced}
			if _, err := Decode(k, inProtobuf); err != nil && isGone(dir, err) {
				if _, err := Decode(k, inJSON); err == nil {
					t.Errorf("%s: refused in protobuf only", base)
				}
				continue
			}
			checkEncodings(t, k, inProtobuf, inJSON)
		}
	}
	// Of these the module has no samples.
	other := map[string]bool{"apiservices.apiregistration.k8s.io": true, "customresourcedefinitions.apiextensions.k8s.io": true}
	for _, word := range Words() {
		if kinds[word] == other[word] {
			t.Errorf("%s: sampled: %v", word, kinds[word])
		}
	}
}

// checkEncodings finds the same intent in both values, and the same again in
// the intent.
func checkEncodings(t *testing.T, k Key, inProtobuf, inJSON []byte) {
	t.Helper()
	a, b := intent(t, k, inProtobuf), intent(t, k, inJSON)
	if !bytes.Equal(a, b) {
		t.Errorf("%s: protobuf and JSON have different intents:\n%s\n%s", k, a, b)
	}
	if again := intent(t, k, a); !bytes.Equal(a, again) {
		t.Errorf("%s: the intent of the intent is another:\n%s\n%s", k, a, again)
	}
}
