package kine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
)

const (
	readyLine = "Kine available at"
	startTime = time.Minute
	stopGrace = 20 * time.Second
)

// parameters are those with which K3s opens its database.
const parameters = "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate"

// Server is a kine with its database. Its methods are not safe for concurrent
// use; its client is.
type Server struct {
	bin, dir, address string
	client            *clientv3.Client
	process           *testbed.Process // nil while stopped
	pages             int              // of the database, at most; 0 is as many as it needs
}

// New starts a kine for a test and ends it with the test. It keeps all its
// history until it is asked to compact.
func New(t testbed.TB) *Server {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatalf("%v", err)
	}
	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatalf("%v", err)
	}
	client, err := testbed.Dial("http://" + address)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := &Server{bin: bin, dir: t.TempDir(), address: address, client: client}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close kine: %v", err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// Endpoint is the client URL, the same over restarts.
func (s *Server) Endpoint() string { return "http://" + s.address }

// Address is the client host:port, for a [testbed.Proxy] in front of the server.
func (s *Server) Address() string { return s.address }

// Client is connected to the server and survives its restarts. Close closes it.
func (s *Server) Client() *clientv3.Client { return s.client }

// Start starts a stopped server on its port and database.
func (s *Server) Start(ctx context.Context) error {
	if s.process != nil {
		return nil
	}
	database := "sqlite://" + filepath.Join(s.dir, "state.db") + parameters
	if s.pages > 0 {
		database += fmt.Sprintf("&_pragma=max_page_count(%d)", s.pages)
	}
	p, err := testbed.StartProcess(testbed.ProcessConfig{
		Path: s.bin, Dir: s.dir, DieWithParent: true,
		Args: []string{
			"--listen-address", "tcp://" + s.address,
			"--endpoint", database,
			"--metrics-bind-address", "0",
			"--compact-min-retain", "0",
		},
	})
	if err != nil {
		return fmt.Errorf("start kine: %w", err)
	}
	s.process = p
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if _, err := p.WaitLine(ctx, readyLine); err != nil {
		return errors.Join(fmt.Errorf("start kine: %w", err), s.Kill())
	}
	return nil
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Kill()
	s.process = nil
	return err
}

// Stop ends the server in good order.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	_, err := s.process.Stop(stopGrace)
	s.process = nil
	return err
}

// Restart kills and starts the server.
func (s *Server) Restart(ctx context.Context) error { return errors.Join(s.Kill(), s.Start(ctx)) }

// Wipe restarts the server with no data: the same address, another history.
func (s *Server) Wipe(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "state.db*"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return errors.Join(err, s.Start(ctx))
}

// Limit restarts the server with a database of at most some pages of 4 KiB, as
// if its disk were full behind them; 0 is no limit.
func (s *Server) Limit(ctx context.Context, pages int) error {
	s.pages = pages
	return errors.Join(s.Stop(), s.Start(ctx))
}

// Output is the end of what the running server wrote.
func (s *Server) Output() string {
	if s.process == nil {
		return ""
	}
	return s.process.Output()
}

// Close ends the server and closes its client.
func (s *Server) Close() error {
	err := s.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.Kill())
}
