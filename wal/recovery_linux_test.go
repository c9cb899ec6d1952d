package wal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestReadOnlyDirectoryIsAnError(t *testing.T) {
	path := logPath(t)
	mustDo(t, os.Chmod(filepath.Dir(path), 0o500))
	err := asUnprivileged(t, func() error { _, _, err := Open(path, Options{}); return err })
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path) {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// asUnprivileged runs fn on a thread that the root user's file rights are taken
// from. The thread ends with it.
func asUnprivileged(t testing.TB, fn func() error) error {
	t.Helper()
	if os.Getuid() != 0 {
		return fn()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			result <- err
			return
		}
		result <- fn()
	}()
	return <-result
}
