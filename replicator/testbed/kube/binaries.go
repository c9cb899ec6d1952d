package kube

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// Version is that of the control plane, as .tools/kube/go.mod pins it.
const Version = "v1.37.2"

var parts = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}

// folder is where `make kube` leaves the binaries and the stages of kwok.
func folder() (string, error) {
	if dir := os.Getenv("KUBE_BIN"); dir != "" {
		return dir, nil
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "syncer", "kube-"+Version), nil
}

func stages(bin string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(bin, "stages", "*.yaml"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no stages of kwok", bin)
	}
	return files, err
}

// installed is the folder of the binaries, or why there are none.
func installed() (string, error) {
	bin, err := folder()
	if err != nil {
		return "", err
	}
	for _, name := range parts {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return "", fmt.Errorf("find %s: %w", name, err)
		}
	}
	_, err = stages(bin)
	return bin, err
}

// Installed reports whether there are binaries.
func Installed() bool {
	_, err := installed()
	return err == nil
}

// Folder is the folder of the binaries, or why there are none.
func Folder() (string, error) { return installed() }

// TB is the part of testing.TB that a test with a control plane calls.
type TB interface {
	testbed.TB
	Failed() bool
	Skipf(format string, args ...any)
}

// Binaries is the folder of the binaries. Where there are none the test is
// skipped, or fails when SYNCER_NEED_KUBE is set.
func Binaries(t TB) string {
	t.Helper()
	bin, err := installed()
	switch {
	case err == nil:
	case os.Getenv("SYNCER_NEED_KUBE") != "":
		t.Fatalf("there is no control plane: %v. Try: make kube", err)
	default:
		t.Skipf("there is no control plane: %v. Try: make kube", err)
	}
	return bin
}
