package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/syncer-io/syncer/filter/strictyaml"
)

// FuzzParse looks for a configuration that panics, or that is refused without
// a place.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("../../testdata/config/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range append(seeds, "../../testdata/config/cloud.yaml", "../../testdata/config/edge.yaml") {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r strictyaml.Report
		file := parse(&r, "../../testdata/config/fuzz.yaml", data, "", nil)
		var errs *strictyaml.Errors
		if !errors.As(r.Err(), &errs) {
			checkAccepted(t, file)
			return
		}
		for _, p := range errs.Problems {
			if p.Line < 1 || p.Column < 1 {
				t.Fatalf("a problem without a place: %v", p)
			}
		}
	})
}

// checkAccepted checks what every part of the program relies on.
func checkAccepted(t *testing.T, f File) {
	switch {
	case f.Exporter != nil:
		if len(f.Exporter.Source.Etcd.Endpoints) == 0 && f.Exporter.Source.Kubernetes == nil || f.Exporter.DataDir == "" {
			t.Fatalf("an incomplete exporter was accepted: %+v", f.Exporter)
		}
	case f.Importer != nil:
		if f.Importer.Hub.URL == "" || len(f.Importer.Target.Etcd.Endpoints) == 0 || f.Importer.DataDir == "" {
			t.Fatalf("an incomplete importer was accepted: %+v", f.Importer)
		}
	default:
		t.Fatal("a file of no kind was accepted")
	}
}
