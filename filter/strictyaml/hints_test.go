package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

func TestNearest(t *testing.T) {
	known := []string{"pods", "from", "to", "resources", "prefix", "name"}
	for word, want := range map[string]string{
		"form": "from", "crds": "", "Pods": "pods", "pds": "pods", "nam": "name", "nmea": "",
		"resurce": "resources", "reso": "resources", "perfix": "prefix", "x": "", "ot": "to", "post": "",
	} {
		if got := strictyaml.Nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestVariablesWithoutQuotes(t *testing.T) {
	const hint = "put text with ${…} in quotes"
	for text, want := range map[string]bool{
		"a: {b: c-${d}, e: f}":       true,
		"a: [${d}]":                  true,
		"a: {\n  b: c-${d},\n  e: f": true,
		"a: [\"${d}\", 'x'y]":        false,
		"a: {b: c":                   false,
	} {
		var r strictyaml.Report
		strictyaml.Parse(&r, "f.yaml", []byte(text))
		if err := r.Err(); err == nil || strings.Contains(err.Error(), hint) != want {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
