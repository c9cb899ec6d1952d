package strictyaml_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syncer-io/syncer/filter/strictyaml"
	"github.com/syncer-io/syncer/replicator/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// everything has a field of each type that the package reads.
type everything struct {
	Name     string           `yaml:"name,required"`
	Mode     mode             `yaml:"mode"`
	Enabled  bool             `yaml:"enabled"`
	Replicas int              `yaml:"replicas"`
	Small    tiny             `yaml:"small"`
	Interval time.Duration    `yaml:"interval"`
	MaxBytes strictyaml.Bytes `yaml:"maxBytes"`
	Position position         `yaml:"position"`
	Prefix   *string          `yaml:"prefix"`
	Paths    []string         `yaml:"paths"`
	TLS      *nested          `yaml:"tls"`
	Source   nested           `yaml:"source"`
	Rules    []rule           `yaml:"rules" item:"rule"`
	Labels   map[string]int   `yaml:"labels"`
	Tables   map[string]rule  `yaml:"tables" item:"table"`
	Free     any              `yaml:"free"`
	Ignored  string
}

type nested struct {
	CA   string `yaml:"ca,required"`
	Deep struct {
		Key string `yaml:"key"`
	} `yaml:"deep"`
}

type rule struct {
	Name   string `yaml:"name"`
	Prefix string `yaml:"prefix,required"`
	Match  struct {
		Kind string `yaml:"kind"`
	} `yaml:"match"`
}

type mode string

func (mode) Values() []string { return []string{"source-wins", "edge-wins", "hold"} }

type tiny int

// position reads itself.
type position struct{ revision int64 }

func (p *position) UnmarshalText(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a revision", b)
	}
	p.revision = n
	return nil
}

// TestGolden compares the whole error text of each bad file.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			err = strictyaml.Decode(filepath.Base(file), data, &everything{})
			if fault.ExitCode(err) != int(fault.Usage) {
				t.Fatalf("exit code %d for %v", fault.ExitCode(err), err)
			}
			compare(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; run with -update to accept\n--- want\n%s--- got\n%s", golden, want, got)
	}
}

// TestPositionsAreData checks the fields of a problem, for callers that print
// it their own way.
func TestPositionsAreData(t *testing.T) {
	err := strictyaml.Decode("f.yaml", []byte("name: a\nmod: hold\n"), &everything{})
	var errs *strictyaml.Errors
	if !errors.As(err, &errs) || len(errs.Problems) != 1 {
		t.Fatalf("got %v", err)
	}
	want := strictyaml.Problem{
		File: "f.yaml", Line: 2, Column: 1,
		Message: `unknown field "mod"`,
		Hint:    `did you mean "mode"?`,
		Excerpt: "   2 | mod: hold\n     | ^",
	}
	if errs.Problems[0] != want {
		t.Errorf("got %+v", errs.Problems[0])
	}
}
