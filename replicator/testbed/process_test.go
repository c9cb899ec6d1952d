package testbed

import (
	"strings"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := StartProcess(ProcessConfig{Path: "/bin/sh", Args: []string{"-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestProcessGivesLinesAndTheExitCode(t *testing.T) {
	p := shell(t, "echo one; echo two; exit 7")
	if line, err := p.WaitLine(t.Context(), "tw"); err != nil || line != "two" {
		t.Errorf("got line %q, %v", line, err)
	}
	if code, err := p.Wait(t.Context()); err != nil || code != 7 {
		t.Errorf("got exit code %d, %v", code, err)
	}
	_, err := p.WaitLine(t.Context(), "three")
	if err == nil || !strings.Contains(err.Error(), "one\ntwo") {
		t.Errorf("waiting after the end gave %v", err)
	}
}

func TestProcessStopsOnSIGTERM(t *testing.T) {
	p := shell(t, "trap 'exit 3' TERM; echo ready; read never")
	if _, err := p.WaitLine(t.Context(), "ready"); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Stop(10 * time.Second); err != nil || code != 3 {
		t.Errorf("got exit code %d, %v", code, err)
	}
}
