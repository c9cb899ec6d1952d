package schema_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// comments are the comments of the types and fields of some packages, by
// package.Type and package.Type.Field.
type comments map[string]string

func readComments(t *testing.T, folders ...string) comments {
	t.Helper()
	out := comments{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", folder, err)
		}
		for _, file := range files {
			out.read(t, file)
		}
	}
	return out
}

func (c comments) read(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		decl, isDecl := n.(*ast.GenDecl)
		if !isDecl {
			return true
		}
		for _, s := range decl.Specs {
			if spec, isType := s.(*ast.TypeSpec); isType {
				c.readType(f.Name.Name+"."+spec.Name.Name, decl, spec)
			}
		}
		return false
	})
}

func (c comments) readType(name string, decl *ast.GenDecl, spec *ast.TypeSpec) {
	c[name] = oneLine(decl.Doc.Text() + spec.Doc.Text())
	s, isStruct := spec.Type.(*ast.StructType)
	if !isStruct {
		return
	}
	for _, field := range s.Fields.List {
		for _, n := range field.Names {
			c[name+"."+n.Name] = oneLine(field.Doc.Text())
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
