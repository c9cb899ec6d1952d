package replicator_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the fault catalogue into docs/guarantees.md")

// The table of faults stands between these lines of docs/guarantees.md.
const (
	tableBegins = "<!-- the fault catalogue: go test ./replicator -run Catalogue -update -->\n"
	tableEnds   = "<!-- end of the fault catalogue -->\n"
)

// TestCatalogueIsInTheDocs keeps the table that people read the same as the one
// that is checked.
func TestCatalogueIsInTheDocs(t *testing.T) {
	path := filepath.Join(root, "docs", "guarantees.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the fault catalogue", path)
	}
	want := before + tableBegins + table() + tableEnds + after
	switch {
	case string(text) == want:
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s has another fault catalogue: go test ./replicator -run Catalogue -update", path)
	}
}

func table() string {
	var b bytes.Buffer
	b.WriteString("\n| | fault | tests |\n|---|---|---|\n")
	for _, r := range catalogue {
		tests := strings.Fields(r.tests)
		for i, name := range tests {
			tests[i] = "`" + name + "`"
		}
		cell := strings.Join(tests, ", ")
		if r.notHere != "" {
			cell = "*not here: " + r.notHere + ".* Nearest: " + cell
		}
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s |\n", r.id, r.what, cell) // a buffer never fails
	}
	b.WriteString("\n")
	return b.String()
}
