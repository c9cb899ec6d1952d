package kine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// buildTime bounds the first build on a small, busy machine.
const buildTime = 15 * time.Minute

// binary is the path of the built kine, or why there is none.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("KINE_BIN"); path != "" {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	path, err := built(ctx)
	if err != nil {
		return "", fmt.Errorf("build kine: %w", err)
	}
	return path, nil
})

// built builds kine into the cache folder, unless it is there.
func built(ctx context.Context) (path string, err error) {
	module, err := moduleFolder(ctx)
	if err != nil {
		return "", err
	}
	folder, err := cacheFolder(module)
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "kine")
	// Tests of several packages run at once: the lock of a database, which the
	// system takes back from a process that dies, lets one of them build.
	lock, err := bbolt.Open(filepath.Join(folder, "lock"), 0o600, &bbolt.Options{Timeout: buildTime})
	if err != nil {
		return "", fmt.Errorf("wait for another build: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	half := path + ".half"
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", half, "github.com/k3s-io/kine")
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly") // SQLite without C
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w:\n%s", err, out)
	}
	return path, os.Rename(half, path)
}

// moduleFolder is that of the module that pins kine.
func moduleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), ".tools", "kine"), nil
}

// cacheFolder is made for what the module file pins.
func cacheFolder(module string) (string, error) {
	pins, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	folder := filepath.Join(cache, "syncer", fmt.Sprintf("kine-%x", sha256.Sum256(pins))[:17])
	return folder, os.MkdirAll(folder, 0o755)
}
