package failpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/failpoint"
)

// hits builds testdata/hits with the tag, once, beside the test binary: the go
// command removes both.
var hits = sync.OnceValues(func() (string, error) { return build("hits", "-tags", "failpoint") })

func build(name string, flags ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(filepath.Dir(self), name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "./testdata/hits")...)
	cmd.Stderr = os.Stderr
	return binary, cmd.Run()
}

func start(t *testing.T, plan string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	binary, err := hits()
	if err != nil {
		t.Fatal(err)
	}
	cmd, out := exec.Command(binary), new(bytes.Buffer)
	cmd.Env = append(os.Environ(), failpoint.Variable+"="+plan)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func status(cmd *exec.Cmd) syscall.WaitStatus { return cmd.ProcessState.Sys().(syscall.WaitStatus) }

func TestKillRunsNothingMore(t *testing.T) {
	for plan, last := range map[string]string{
		"target.txn.before":   "before 0",
		"target.txn.after:2":  "between 1",
		"any:5":               "before 2",
		"target.txn.before:3": "before 2",
	} {
		cmd, out := start(t, plan)
		_ = cmd.Wait() // the state says more
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if s := status(cmd); !s.Signaled() || s.Signal() != syscall.SIGKILL {
			t.Errorf("%s: ended with %v, want SIGKILL", plan, cmd.ProcessState)
		}
		if n := len(lines); n < 2 || !strings.HasPrefix(lines[n-1], "failpoint target.txn.") || lines[n-2] != last {
			t.Errorf("%s: the last words are %q, want %q and the failpoint", plan, lines, last)
		}
	}
}

func TestStopAndSleepGoOn(t *testing.T) {
	cmd, out := start(t, "target.txn.after:1:stop")
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &s, syscall.WUNTRACED, nil); err != nil || !s.Stopped() || s.StopSignal() != syscall.SIGSTOP {
		t.Errorf("it did not stop: %v, %v", s, err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(out.String(), "after 2\ndeferred\n") {
		t.Errorf("a stopped process ended with %v and said\n%s", err, out)
	}
	began := time.Now()
	cmd, out = start(t, "target.txn.after:1:sleep=300ms")
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(out.String(), "after 2\ndeferred\n") || time.Since(began) < 300*time.Millisecond {
		t.Errorf("a sleeping process ended after %v with %v and said\n%s", time.Since(began), err, out)
	}
}

func TestUnknownNameIsRefused(t *testing.T) {
	cmd, out := start(t, "target.txn")
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), `no failpoint is called "target.txn"`) {
		t.Errorf("it ended with %v and said\n%s", err, out)
	}
}

// Without the tag neither the names nor the variable reach a binary: every Hit
// is gone.
func TestNothingIsLeftWithoutTheTag(t *testing.T) {
	armed, err := hits()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := build("plain")
	if err != nil {
		t.Fatal(err)
	}
	for binary, want := range map[string]bool{armed: true, plain: false} {
		code, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(failpoint.TxnBefore), failpoint.Variable, "failpoint.Hit"} {
			if got := bytes.Contains(code, []byte(text)); got != want {
				t.Errorf("%s holds %q: %v, want %v", filepath.Base(binary), text, got, want)
			}
		}
	}
}
