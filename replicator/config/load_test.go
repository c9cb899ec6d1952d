package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syncer-io/syncer/replicator/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// inTestdata makes the paths in messages the same on every machine.
func inTestdata(t *testing.T) { t.Chdir("../../testdata/config") }

func TestLoadExporter(t *testing.T) {
	inTestdata(t)
	e, err := LoadExporter("cloud.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Loaded) != 2 || e.Loaded[0].Metadata.Name != "flags" || e.Loaded[1].Metadata.Name != "limits" {
		t.Errorf("policies are %v", e.Loaded)
	}
	if e.Heartbeat != DefaultHeartbeat || e.Stream != (Stream{MaxBytes: DefaultStreamMaxBytes, MaxAge: DefaultStreamMaxAge, Replicas: 1}) {
		t.Errorf("defaults are %v and %+v", e.Heartbeat, e.Stream)
	}
	if e.Spool.MaxBytes != DefaultSpoolMaxBytes {
		t.Errorf("the default of the spool is %v", e.Spool.MaxBytes)
	}
	want := EmbeddedHub{DataDir: "data/cloud/hub", Listen: "127.0.0.1:4222", MaxBytes: 2 * DefaultStreamMaxBytes}
	if *e.Hub.Embedded != want {
		t.Errorf("embedded hub is %+v", *e.Hub.Embedded)
	}
}

func TestLoadImporter(t *testing.T) {
	inTestdata(t)
	i, err := LoadImporter("edge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if i.Name != "store-1" || i.Source != "cloud" || i.Channel != "flags" || i.Inbox.MaxBytes != DefaultInboxMaxBytes {
		t.Errorf("got %+v", i)
	}
}

func TestLoadTellsTheKind(t *testing.T) {
	inTestdata(t)
	for file, want := range map[string]bool{"cloud.yaml": true, "edge.yaml": false} {
		f, err := Load(file)
		if err != nil || (f.Exporter != nil) != want || (f.Importer != nil) == want {
			t.Errorf("%s gives %+v, %v", file, f, err)
		}
	}
}

// TestPathsAreRelativeToTheFile reads the same file from another directory.
func TestPathsAreRelativeToTheFile(t *testing.T) {
	e, err := LoadExporter("../../testdata/config/cloud.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if e.DataDir != filepath.FromSlash("../../testdata/config/data/cloud") || len(e.Loaded) != 2 {
		t.Errorf("dataDir is %s with %d policies", e.DataDir, len(e.Loaded))
	}
}

func TestMissingConfiguration(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) || fault.ExitCode(err) != int(fault.Usage) || fault.Try(err) == "" {
		t.Errorf("got %v", err)
	}
}

// TestGolden compares the whole error text of each bad file.
func TestGolden(t *testing.T) {
	inTestdata(t)
	files, err := filepath.Glob("bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file)
			compareError(t, strings.TrimSuffix(file, ".yaml")+".txt", err)
		})
	}
}

func TestGoldenWrongKind(t *testing.T) {
	inTestdata(t)
	_, err := LoadExporter("edge.yaml")
	compareError(t, "bad/wrong-kind-importer.txt", err)
	_, err = LoadImporter("cloud.yaml")
	compareError(t, "bad/wrong-kind-exporter.txt", err)
}

func compareError(t *testing.T, golden string, err error) {
	t.Helper()
	if fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("exit code %d for %v", fault.ExitCode(err), err)
	}
	got := err.Error() + "\n"
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
