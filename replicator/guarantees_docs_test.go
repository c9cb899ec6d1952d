package replicator_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A test in docs/guarantees.md: with the last folder of its package, or without
// any, and perhaps with the name of a part.
var namedTest = regexp.MustCompile("`([a-z0-9]+\\.)?(Test[A-Za-z0-9_]+)(/[^`]*)?`")

// TestGuaranteesNameTestsThatThereAre keeps the proofs from getting lost when
// tests are renamed.
func TestGuaranteesNameTestsThatThereAre(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := testFunctions(t)
	for name := range known {
		_, alone, _ := strings.Cut(name, ".")
		known[alone] = true
	}
	found := 0
	for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
		found++
		if !known[m[1]+m[2]] {
			t.Errorf("there is no %s%s", m[1], m[2])
		}
	}
	if found < 300 {
		t.Errorf("only %d tests are named", found)
	}
}
