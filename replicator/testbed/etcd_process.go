package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// etcdVariable carries the configuration to the re-executed binary.
const etcdVariable = "SYNCER_TESTBED_ETCD"

const readyLine = "testbed: etcd is ready"

// Main turns this process into a server when it was started as one by an
// [EtcdProcess] or a [HubNode], and then never returns. Call it first in
// TestMain, or first in main of a program that uses one of them.
func Main() {
	run := serve
	text, ok := os.LookupEnv(etcdVariable)
	if !ok {
		run = serveHub
		text, ok = os.LookupEnv(hubVariable)
	}
	if !ok {
		return
	}
	code := 0
	if err := run(text); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // it stands in for the main of the re-executed binary
}

// serve runs until standard input ends, which also happens when the parent
// dies.
func serve(text string) error {
	var config EtcdConfig
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return fmt.Errorf("read %s: %w", etcdVariable, err)
	}
	e, err := StartEtcd(context.Background(), config)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, readyLine)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, e.Close())
}

// EtcdProcess is an etcd server in a child process. Its methods are not safe
// for concurrent use; its client is.
type EtcdProcess struct {
	site
	process *Process // nil while stopped
}

// StartEtcdProcess starts a child and waits until it takes writes. The context
// bounds the start only. The running binary must call [Main].
func StartEtcdProcess(ctx context.Context, config EtcdConfig) (*EtcdProcess, error) {
	s, err := newSite(config)
	if err != nil {
		return nil, err
	}
	e := &EtcdProcess{site: s}
	if err := e.Start(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// NewEtcdProcess starts a child for a test and ends it with the test. An empty
// Dir is a temporary directory.
func NewEtcdProcess(t TB, config EtcdConfig) *EtcdProcess {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir() + "/etcd"
	}
	e, err := StartEtcdProcess(t.Context(), config)
	if err != nil {
		t.Fatalf("start etcd: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close etcd: %v", err)
		}
	})
	return e
}

// PID is the process id, 0 while stopped.
func (e *EtcdProcess) PID() int {
	if e.process == nil {
		return 0
	}
	return e.process.PID()
}

// Start starts a stopped server on its ports and directory and waits until it
// takes writes.
func (e *EtcdProcess) Start(ctx context.Context) error {
	if e.process != nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start etcd: find the running binary: %w", err)
	}
	text, err := json.Marshal(e.config)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	e.process, err = StartProcess(ProcessConfig{Path: self, Env: []string{etcdVariable + "=" + string(text)}})
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	if _, err := e.process.WaitLine(ctx, readyLine); err != nil {
		return errors.Join(fmt.Errorf("start etcd: %w", err), e.Kill())
	}
	return nil
}

// Kill ends the server with SIGKILL, as a power cut would for the process.
func (e *EtcdProcess) Kill() error {
	if e.process == nil {
		return nil
	}
	err := e.process.Kill()
	e.process = nil
	return err
}

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 20 * time.Second

// Stop ends the server in good order.
func (e *EtcdProcess) Stop() error {
	if e.process == nil {
		return nil
	}
	closing := e.process.stdin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	code, err := e.process.Wait(ctx)
	output := e.process.Output()
	if err := errors.Join(closing, err, e.Kill()); err != nil {
		return fmt.Errorf("stop etcd: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("stop etcd: exit code %d:\n%s", code, output)
	}
	return nil
}

// Restart kills and starts the server.
func (e *EtcdProcess) Restart(ctx context.Context) error {
	return errors.Join(e.Kill(), e.Start(ctx))
}

// Wipe restarts the server with no data: the same address, another history.
func (e *EtcdProcess) Wipe(ctx context.Context) error {
	if err := errors.Join(e.Stop(), e.remove()); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Copy stops the server, copies its data to a directory that must not exist,
// and starts it again.
func (e *EtcdProcess) Copy(ctx context.Context, dir string) error {
	if err := e.Stop(); err != nil {
		return err
	}
	return errors.Join(e.copyTo(dir), e.Start(ctx))
}

// Restore restarts the server from an older copy; see [Etcd.Restore].
func (e *EtcdProcess) Restore(ctx context.Context, dir string) error {
	if err := errors.Join(e.Stop(), e.replaceWith(dir)); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Close ends the server and closes its client. The data stays.
func (e *EtcdProcess) Close() error {
	err := e.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, e.Stop())
}
