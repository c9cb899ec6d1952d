package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ProcessConfig says what to run.
type ProcessConfig struct {
	Path string
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Dir is the working directory; empty is this process's.
	Dir string
	// Log receives everything the process writes, as it comes; it may be nil.
	Log io.Writer
	// DieWithParent has the system kill a child that does not read its standard
	// input when this process dies. It works on Linux only.
	DieWithParent bool
}

// Process is a running child process. All methods may be called from several
// goroutines.
type Process struct {
	command *exec.Cmd
	stdin   io.Closer // open as long as this process lives
	output  *output
	done    chan struct{} // closed by the goroutine that waits for the child
	err     error         // how the child ended; read after done
}

// StartProcess starts a child. Its standard input stays open until it is
// stopped, and closes when this process dies: a child that reads it does not
// outlive its parent.
func StartProcess(config ProcessConfig) (*Process, error) {
	out := newOutput(config.Log)
	command := exec.Command(config.Path, config.Args...)
	command.Dir = config.Dir
	command.Env = append(os.Environ(), config.Env...)
	command.Stdout, command.Stderr = out, out
	if config.DieWithParent {
		command.SysProcAttr = dieWithParent()
	}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", config.Path, err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", config.Path, err)
	}
	p := &Process{command: command, stdin: stdin, output: out, done: make(chan struct{})}
	go p.wait()
	return p, nil
}

func (p *Process) wait() {
	p.err = p.command.Wait()
	p.output.end()
	close(p.done)
}

// PID is the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done is closed when the process has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is the last 64 KiB that the process wrote.
func (p *Process) Output() string { return p.output.tail() }

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(s os.Signal) error { return p.signal(s) }

func (p *Process) signal(s os.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s to %s: %w", s, p.command.Path, err)
	}
	return nil
}

// Stop sends SIGTERM and waits; after the grace period it kills. It returns the
// exit code.
func (p *Process) Stop(grace time.Duration) (int, error) {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return -1, err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-timer.C:
		return -1, errors.Join(fmt.Errorf("%s did not stop within %s", p.command.Path, grace), p.Kill())
	}
}

// Wait waits for the end and returns the exit code, -1 when a signal ended the
// process.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-ctx.Done():
		return -1, fmt.Errorf("wait for the end of %s: %w", p.command.Path, context.Cause(ctx))
	}
}

// ExitCode is the exit code of a process that has ended, -1 otherwise or when a
// signal ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.command.ProcessState.ExitCode()
	default:
		return -1
	}
}

// WaitLine waits until the process has written a line that contains text, and
// returns the line. Lines from before the call count. It fails when the process
// ends without having written one.
func (p *Process) WaitLine(ctx context.Context, text string) (string, error) {
	line, err := p.output.waitLine(ctx, text)
	if err != nil {
		return "", fmt.Errorf("wait for %q from %s: %w; its last output:\n%s", text, p.command.Path, err, p.Output())
	}
	return line, nil
}
