package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

// Etcd is an embedded etcd server with one member. Its methods are not safe
// for concurrent use; its client is.
type Etcd struct {
	site
	server  *embed.Etcd // nil while stopped
	streams *streams    // of the running server
}

// StartEtcd starts a server and waits until it takes writes. The context
// bounds the start only.
func StartEtcd(ctx context.Context, config EtcdConfig) (*Etcd, error) {
	s, err := newSite(config)
	if err != nil {
		return nil, err
	}
	e := &Etcd{site: s}
	if err := e.Start(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// NewEtcd starts a server for a test and closes it at the end of the test. An
// empty Dir is a temporary directory.
func NewEtcd(t TB, config EtcdConfig) *Etcd {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir() + "/etcd"
	}
	e, err := StartEtcd(t.Context(), config)
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

// Start starts a stopped server on its ports and directory and waits until it
// takes writes.
func (e *Etcd) Start(ctx context.Context) error {
	if e.server != nil {
		return nil
	}
	if err := os.MkdirAll(e.config.Dir, 0o700); err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	e.streams = newStreams()
	server, err := embed.StartEtcd(e.config.embedded(e.streams.option()))
	if err != nil {
		return fmt.Errorf("start etcd on %s: %w", e.config.ClientAddress, err)
	}
	e.server = server
	select {
	case <-server.Server.ReadyNotify():
		return nil
	case err := <-server.Err():
		e.Stop()
		return fmt.Errorf("start etcd on %s: %w", e.config.ClientAddress, err)
	case <-ctx.Done():
		e.Stop()
		return fmt.Errorf("start etcd on %s: not ready: %w", e.config.ClientAddress, context.Cause(ctx))
	}
}

// Stop stops the server and waits for it; data and ports stay. Open watches
// end at once.
func (e *Etcd) Stop() {
	if e.server == nil {
		return
	}
	e.streams.end()
	e.server.Close()
	e.server = nil
}

// Restart stops and starts the server.
func (e *Etcd) Restart(ctx context.Context) error {
	e.Stop()
	return e.Start(ctx)
}

// Reconfigure restarts the server with another bound of a request.
func (e *Etcd) Reconfigure(ctx context.Context, maxRequestBytes uint) error {
	e.config.MaxRequestBytes = maxRequestBytes
	return e.Restart(ctx)
}

// Wipe restarts the server with no data: the same address, another history.
func (e *Etcd) Wipe(ctx context.Context) error {
	e.Stop()
	if err := e.remove(); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Copy stops the server, copies its data to a directory that must not exist,
// and starts it again.
func (e *Etcd) Copy(ctx context.Context, dir string) error {
	e.Stop()
	return errors.Join(e.copyTo(dir), e.Start(ctx))
}

// Restore restarts the server from an older copy, as an operator does who puts
// a backup back: the cluster and member ids are the same, and revisions that
// were already handed out are handed out again for other content.
func (e *Etcd) Restore(ctx context.Context, dir string) error {
	e.Stop()
	if err := e.replaceWith(dir); err != nil {
		return err
	}
	return e.Start(ctx)
}

// Close stops the server and closes its client. The data stays.
func (e *Etcd) Close() error {
	err := e.client.Close()
	e.Stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close etcd client: %w", err)
	}
	return nil
}
