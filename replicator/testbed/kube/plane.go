package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/testbed"
)

const (
	readyTime = 2 * time.Minute
	stopTime  = 20 * time.Second
)

// Options say which control plane is wanted.
type Options struct {
	// Nodes is how many nodes kwok plays; without any, pods stay pending.
	Nodes int
	// APIServer are further flags of the API server.
	APIServer []string
	// NoControllers leaves the controller manager and the scheduler out.
	NoControllers bool
}

// Plane is a running control plane. Its owner closes it.
type Plane struct {
	Etcd   *testbed.Etcd
	Config *rest.Config // of an administrator
	dir    string
	bin    string
	parts  []*testbed.Process
	client *Client
}

// New starts a control plane for a test, which it ends with.
func New(t skipper, o Options) *Plane {
	t.Helper()
	bin := Binaries(t)
	p, err := Start(t.Context(), bin, t.TempDir(), o)
	if err != nil {
		t.Fatalf("start a control plane: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	return p
}

// Start starts a control plane with the binaries in bin and its files in dir,
// and waits until it is ready.
func Start(ctx context.Context, bin, dir string, o Options) (_ *Plane, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	etcd, err := testbed.StartEtcd(ctx, testbed.EtcdConfig{Dir: filepath.Join(dir, "etcd"), Fast: true})
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	p := &Plane{Etcd: etcd, dir: dir, bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.startAPIServer(ctx, o.APIServer); err != nil {
		return nil, err
	}
	if o.NoControllers {
		return p, nil
	}
	return p, p.startControllers(ctx, o.Nodes)
}

// Client reads and applies objects as an administrator.
func (p *Plane) Client() *Client { return p.client }

// Close stops everything, in the reverse order of its start.
func (p *Plane) Close() error {
	var errs []error
	for i := len(p.parts) - 1; i >= 0; i-- {
		if _, err := p.parts[i].Stop(stopTime); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, p.Etcd.Close())...)
}

// run starts one part, with its output in a file.
func (p *Plane) run(name string, args ...string) error {
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return fmt.Errorf("make the log of %s: %w", name, err)
	}
	part, err := testbed.StartProcess(testbed.ProcessConfig{Path: filepath.Join(p.bin, name), Args: args, Dir: p.dir, Log: log})
	if err != nil {
		return err
	}
	p.parts = append(p.parts, part)
	return nil
}

// await polls until something is so, or a part has ended.
func (p *Plane) await(ctx context.Context, what string, ask func(context.Context) error) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		for _, part := range p.parts {
			select {
			case <-part.Done():
				return fmt.Errorf("%s: a part has ended: %s", what, part.Output())
			default:
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w", what, context.Cause(ctx), err)
		}
	}
}
