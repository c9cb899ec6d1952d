package failpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.." // of the module, from this package

var form = regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+)*\.[a-z]+$`)

// constant is a name as names.go declares it.
type constant struct {
	name  string
	value Name
	says  string
}

func TestAllNamesAreDeclaredOnceAndExplained(t *testing.T) {
	var declared []Name
	for _, c := range declaredNames(t) {
		if !form.MatchString(string(c.value)) {
			t.Errorf("%s is %q, want package.step.moment", c.name, c.value)
		}
		if says := strings.TrimSpace(c.says); says == "" || strings.Contains(says, "\n") {
			t.Errorf("%s is explained by %q, want one line", c.name, says)
		}
		if slices.Contains(declared, c.value) {
			t.Errorf("%q is declared twice", c.value)
		}
		declared = append(declared, c.value)
	}
	if !slices.Equal(declared, All) {
		t.Errorf("All is not what is declared, in its order:\n%q\n%q", All, declared)
	}
}

// A name that nothing hits tests nothing, and one that two places hit does not
// say where a process died.
func TestEveryNameIsHitInOnePlace(t *testing.T) {
	hit := make(map[string][]string)
	for _, file := range sources(t) {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || ours(call.Fun) != "Hit" {
				return true
			}
			name := ours(call.Args[0])
			if name == "" {
				t.Errorf("%v: Hit wants one of the names, as it is declared", set.Position(call.Pos()))
			}
			if first, _, _ := strings.Cut(string(value(t, name)), "."); first != path.Base(path.Dir(file)) {
				t.Errorf("%v hits %s, which belongs to package %s", set.Position(call.Pos()), name, first)
			}
			hit[name] = append(hit[name], set.Position(call.Pos()).String())
			return true
		})
	}
	for _, c := range declaredNames(t) {
		if places := hit[c.name]; len(places) != 1 {
			t.Errorf("%s is hit in %d places, want one: %v", c.name, len(places), places)
		}
	}
}

// ours is X of failpoint.X, or "".
func ours(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := selector.X.(*ast.Ident); !ok || x.Name != "failpoint" {
		return ""
	}
	return selector.Sel.Name
}

func value(t *testing.T, name string) Name {
	t.Helper()
	for _, c := range declaredNames(t) {
		if c.name == name {
			return c.value
		}
	}
	return ""
}

func declaredNames(t *testing.T) []constant {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []constant
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Name" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, constant{name: spec.Names[0].Name, value: Name(text), says: spec.Doc.Text()})
		return true
	})
	return out
}

// sources is every Go file of the product, relative to the module.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
