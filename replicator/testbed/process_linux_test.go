package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAChildDiesWithItsParent(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	parent, err := StartProcess(ProcessConfig{Path: os.Args[0], Env: []string{pipeVariable + "=" + pipe}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the child
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	// More than a pipe holds: this waits for the child to read, or to die.
	if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to the child gave %v", err)
	}
}
