package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// daemon is a child process that is started again whenever it ends, as systemd
// does. Only a test may end it: any other end is held against it, unless the
// test expects its exit code.
type daemon struct {
	name    string
	config  testbed.ProcessConfig
	journal *journal
	expect  []int // exit codes after which it is left alone

	mu       sync.Mutex
	process  *testbed.Process // nil while stopped
	victim   *testbed.Process // the one that the test kills
	wanted   bool
	starts   int
	surprise []string
	watching sync.WaitGroup // the goroutine that starts it again
}

func newDaemon(t *testing.T, name, binary string, args ...string) *daemon {
	t.Helper()
	d := &daemon{name: name, journal: newJournal()}
	d.config = testbed.ProcessConfig{Path: binary, Args: args, Log: d.journal}
	t.Cleanup(func() {
		d.halt()
		for _, s := range d.surprise {
			t.Errorf("%s ended by itself: %s", name, s)
		}
		log := filepath.Join(t.ArtifactDir(), strings.ReplaceAll(name, " ", "-")+".log")
		if err := d.journal.save(log); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of what %s said in %d starts; go test -artifacts keeps all of it:\n%s", name, d.starts, d.journal.end(12))
		}
	})
	return d
}

// start starts a stopped daemon and keeps it running.
func (d *daemon) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted {
		return
	}
	d.wanted = true
	if d.launch() {
		d.watching.Go(d.keep)
	}
}

// startAt starts a stopped daemon that kills itself at a failpoint, and is then
// started again without one.
func (d *daemon) startAt(t *testing.T, plan string) *testbed.Process {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	armed := d.config
	armed.Env = []string{failpoint.Variable + "=" + plan}
	p, err := testbed.StartProcess(armed)
	if err != nil {
		t.Fatal(err)
	}
	d.process, d.victim, d.wanted = p, p, true
	d.starts++
	d.watching.Go(d.keep)
	return p
}

func (d *daemon) launch() bool {
	p, err := testbed.StartProcess(d.config)
	if err != nil {
		d.surprise, d.wanted = append(d.surprise, err.Error()), false
		return false
	}
	d.process = p
	d.starts++
	return true
}

// keep starts the daemon again until it is no longer wanted.
func (d *daemon) keep() {
	for {
		d.mu.Lock()
		p := d.process
		d.mu.Unlock()
		<-p.Done()
		if !d.again(p) {
			return
		}
	}
}

func (d *daemon) again(ended *testbed.Process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted && d.victim != ended {
		if slices.Contains(d.expect, ended.ExitCode()) {
			d.wanted = false
		} else {
			d.surprise = append(d.surprise, fmt.Sprintf("exit code %d: %s", ended.ExitCode(), lastLines(ended.Output(), 12)))
		}
	}
	if !d.wanted || len(d.surprise) > 3 {
		d.process = nil
		return false
	}
	return d.launch()
}

func (d *daemon) running() *testbed.Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.process
}

// kill ends the running process with SIGKILL; it is started again.
func (d *daemon) kill(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	p := d.process
	d.victim = p
	d.mu.Unlock()
	if p == nil {
		t.Fatalf("%s does not run", d.name)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

// halt ends the daemon with SIGKILL and leaves it alone.
func (d *daemon) halt() {
	d.mu.Lock()
	d.wanted = false
	p := d.process
	d.mu.Unlock()
	if p != nil {
		_ = p.Kill() // it fails only when the process has ended
	}
	d.watching.Wait()
}

// stop ends the daemon as an operator does and leaves it alone.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	d.wanted = false
	p := d.process
	d.mu.Unlock()
	if p == nil {
		t.Fatalf("%s does not run", d.name)
	}
	if code, err := p.Stop(patience); err != nil || code != 0 {
		t.Errorf("%s stopped with exit code %d (%v):\n%s", d.name, code, err, lastLines(p.Output(), 12))
	}
	d.watching.Wait()
}

// says waits until the daemon has written a line with text behind a mark of
// its journal.
func (d *daemon) says(t *testing.T, mark int, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line, err := d.journal.wait(ctx, mark, text)
	if err != nil {
		t.Fatalf("%s did not say %q in %v: %v; its last words:\n%s", d.name, text, patience, err, d.journal.end(12))
	}
	return line
}

// journal keeps everything that a daemon wrote, over all its starts.
type journal struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed and replaced with each write
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, b...)
	close(j.changed)
	j.changed = make(chan struct{})
	return len(b), nil
}

// mark is the place at which the journal ends now.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.text)
}

func (j *journal) wait(ctx context.Context, mark int, text string) (string, error) {
	for {
		j.mu.Lock()
		rest, changed := j.text[mark:], j.changed
		j.mu.Unlock()
		for line := range bytes.Lines(rest) {
			if bytes.HasSuffix(line, []byte("\n")) && bytes.Contains(line, []byte(text)) {
				return string(line), nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (j *journal) save(path string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return os.WriteFile(path, j.text, 0o600)
}

// all is the whole journal.
func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.text)
}

// end is the last lines of the journal.
func (j *journal) end(lines int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return lastLines(string(j.text[max(0, len(j.text)-64<<10):]), lines)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// patience is how long the slowest recovery may take on a busy machine.
const patience = 2 * time.Minute
