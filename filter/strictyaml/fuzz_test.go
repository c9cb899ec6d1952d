package strictyaml_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

// FuzzDecode looks for a file that panics, or that is refused without a place
// or with text that a terminal would act on.
func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(good))
	f.Add([]byte("free: {a: [1, 2.5, true, null, x], \"on\": {}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := strictyaml.Decode("fuzz.yaml", data, &everything{})
		if err == nil {
			return
		}
		var errs *strictyaml.Errors
		if !errors.As(err, &errs) || len(errs.Problems) == 0 || fault.ExitCode(err) != 2 {
			t.Fatalf("an error without problems: %#v", err)
		}
		for _, p := range errs.Problems {
			if p.File != "fuzz.yaml" || p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Fatalf("a problem without a place: %+v", p)
			}
			if strings.ContainsFunc(p.String(), hostile) {
				t.Fatalf("a terminal would act on %q", p.String())
			}
		}
	})
}

func hostile(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsPrint(r)
}
