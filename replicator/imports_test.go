package replicator_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/syncer-io/syncer"
	root   = ".." // of the module, from this package
)

// The arrows: cmd → replicator → {filter, conflict, wal} → replicator/change and
// replicator/fault. Folders are relative to the module; a rule covers what lies
// below its folder, and the longest matching rule counts. Tests follow the
// arrows too. The log and the ledger may name their failpoints: without their build tag that
// leaves nothing of the import.
var mayImport = map[string][]string{
	"cmd":                  {"cmd", "replicator", "filter", "conflict", "wal"},
	"replicator":           {"replicator", "filter", "conflict", "wal"},
	"replicator/change":    {"replicator/change"},
	"replicator/fault":     {"replicator/fault"},
	"replicator/failpoint": {"replicator/failpoint"},
	"filter":               {"filter", "replicator/change", "replicator/fault"},
	"filter/object":        {"filter/object"},
	"filter/strictyaml":    {"filter/strictyaml", "replicator/fault"},
	"filter/manifest":      {"filter/manifest", "filter/object", "filter/strictyaml", "replicator/fault"},
	"filter/transform":     {"filter/transform", "filter/strictyaml"}, // the latter in tests
	"filter/where":         {"filter/where"},
	"conflict":             {"conflict", "replicator/change", "replicator/fault"},
	"conflict/ledger":      {"conflict", "replicator/change", "replicator/fault", "replicator/failpoint"},
	"wal":                  {"wal", "replicator/failpoint"},
}

// Who may use the testbed outside of tests: it brings a whole etcd server.
var testbedUsers = []string{"replicator/testbed", "replicator/conformance", "replicator/bench", "cmd/syncer-demo"}

var topLevel = []string{"cmd", "replicator", "filter", "wal", "conflict", "deploy", "testdata", "docs"}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, file := range goFiles(t) {
		folder := path.Dir(file)
		allowed, ok := mayImport[longest(keys(mayImport), folder)]
		if !ok {
			t.Errorf("%s: no rule says what this folder may import", file)
			continue
		}
		for _, imported := range imports(t, file) {
			if longest(allowed, imported) == "" {
				t.Errorf("%s imports %s; it may import %s", file, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

func TestProductionCodeDoesNotImportTheTestbed(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || longest(testbedUsers, path.Dir(file)) != "" {
			continue
		}
		for _, imported := range imports(t, file) {
			if within(imported, "replicator/testbed") {
				t.Errorf("%s imports %s, which serves tests, the demo and benchmarks", file, imported)
			}
		}
	}
}

func TestTopLevelFolders(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		output := e.Name() == "bin" // of make build; git ignores it
		if e.IsDir() && !output && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s is not one of the top-level folders: %s", e.Name(), strings.Join(topLevel, ", "))
		}
	}
}

func TestImportRulesTakeTheLongestMatch(t *testing.T) {
	for folder, want := range map[string]string{
		"replicator/change":   "replicator/change",
		"replicator/changes":  "replicator",
		"replicator/etcd/x":   "replicator",
		"filter/object/table": "filter/object",
		"walrus":              "",
	} {
		if got := longest(keys(mayImport), folder); got != want {
			t.Errorf("%s falls under %q, want %q", folder, got, want)
		}
	}
}

// goFiles is every Go file of the module, relative to its root.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !d.IsDir() && path.Ext(name) == ".go":
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("found no Go file")
	}
	return files
}

// imports is what a file imports of this module, relative to its root.
func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(imported, module+"/"); ok {
			out = append(out, rest)
		}
	}
	return out
}

// longest is the longest folder that name lies in, or "".
func longest(folders []string, name string) string {
	best := ""
	for _, folder := range folders {
		if within(name, folder) && len(folder) > len(best) {
			best = folder
		}
	}
	return best
}

func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

func keys(rules map[string][]string) []string {
	var out []string
	for folder := range rules {
		out = append(out, folder)
	}
	return out
}
