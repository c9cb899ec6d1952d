package kube

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// version is that of the control plane, as `make kube` builds it.
const version = "v1.37.2"

var binaries = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}

// folder is where the binaries and kwok's stages are.
func folder() (string, error) {
	if dir := os.Getenv("KUBE_BIN"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(cache, "syncer", "kube-"+version), nil
}

// available is the folder of the binaries, or why it cannot be used.
func available() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	for _, name := range append(binaries, "stages/pod-ready.yaml") {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%w; run make kube", err)
		}
	}
	return dir, nil
}

// skipper is a test that can be skipped.
type skipper interface {
	testbed.TB
	Skipf(format string, args ...any)
}

// Binaries is the folder of the binaries. Where there are none the test is
// skipped, or fails when SYNCER_NEED_KUBE is set.
func Binaries(t skipper) string {
	t.Helper()
	dir, err := available()
	switch {
	case err == nil:
	case os.Getenv("SYNCER_NEED_KUBE") != "":
		t.Fatalf("a control plane is needed: %v", err)
	default:
		t.Skipf("no control plane: %v", err)
	}
	return dir
}
