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
	readyTime = 3 * time.Minute
	stopTime  = 30 * time.Second
)

// Options say which control plane is wanted. The zero value has controllers
// and no nodes.
type Options struct {
	// Nodes is how many nodes kwok plays; without any, pods stay pending.
	Nodes int
	// APIServer are further flags of the API server.
	APIServer []string
	// NoControllers leaves the controller manager and the scheduler out.
	NoControllers bool
}

// Plane is a running control plane. Its owner closes it. Methods that wait may
// be called from several goroutines; Close only after they have returned.
type Plane struct {
	Etcd   *testbed.Etcd
	Config *rest.Config // of an administrator
	client *Client
	dir    string
	bin    string
	parts  []part // in the order of their start
}

// part is one process of the control plane.
type part struct {
	name    string
	args    []string
	process *testbed.Process
	log     *os.File
}

// New starts a control plane for a test and ends it with the test. A test that
// fails shows the last output of every part.
func New(t TB, o Options) *Plane {
	t.Helper()
	p, err := Start(t.Context(), Binaries(t), t.TempDir(), o)
	if err != nil {
		t.Fatalf("start a control plane: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.tell(t)
		}
		if err := p.Close(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	return p
}

// Start starts a control plane with the binaries in bin and its files in dir,
// and waits until it is ready. The context bounds the start only.
func Start(ctx context.Context, bin, dir string, o Options) (*Plane, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	etcd, err := testbed.StartEtcd(ctx, testbed.EtcdConfig{Dir: filepath.Join(dir, "etcd"), Fast: true})
	if err != nil {
		return nil, err
	}
	p := &Plane{Etcd: etcd, dir: dir, bin: bin}
	err = p.startAPIServer(ctx, o.APIServer)
	if err == nil && !o.NoControllers {
		err = p.startControllers(ctx)
	}
	if err == nil && o.Nodes > 0 {
		err = p.startNodes(ctx, o.Nodes)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Client reads and applies objects as an administrator.
func (p *Plane) Client() *Client { return p.client }

// Close stops every part in the reverse order of the start, and waits for it.
func (p *Plane) Close() error { return errors.Join(p.halt(), p.Etcd.Close()) }

func (p *Plane) halt() error {
	var errs []error
	for i := len(p.parts) - 1; i >= 0; i-- {
		_, err := p.parts[i].process.Stop(stopTime)
		errs = append(errs, err, p.parts[i].log.Close())
	}
	p.parts = nil
	return errors.Join(errs...)
}

// Reboot kills every part but the etcd, calls meanwhile, which may be nil, and
// starts them again, at the same addresses. It returns when the API server is
// ready.
func (p *Plane) Reboot(ctx context.Context, meanwhile func()) error {
	parts := p.parts
	for _, part := range parts { // as a reset does: nobody is waited for
		if err := part.process.Kill(); err != nil {
			return fmt.Errorf("kill %s: %w", part.name, err)
		}
	}
	if err := p.halt(); err != nil {
		return fmt.Errorf("stop the control plane: %w", err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for _, part := range parts {
		if err := p.run(part.name, part.args...); err != nil {
			return err
		}
		if err := p.Await(ctx, "the API server", p.client.ready); err != nil {
			return err
		}
	}
	return nil
}

// run starts one part, with its output in a file.
func (p *Plane) run(name string, args ...string) error {
	log, err := os.Create(p.path(name + ".log"))
	if err != nil {
		return fmt.Errorf("make the log of %s: %w", name, err)
	}
	process, err := testbed.StartProcess(testbed.ProcessConfig{
		Path: filepath.Join(p.bin, name), Args: args, Dir: p.dir, Log: log, DieWithParent: true,
	})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	p.parts = append(p.parts, part{name: name, args: args, process: process, log: log})
	return nil
}

// path is a file of the control plane.
func (p *Plane) path(name string) string { return filepath.Join(p.dir, name) }

// shown is how much of the output of a part a report holds, in bytes.
const shown = 2 << 10

func (p part) output() string {
	text := p.process.Output()
	return text[max(0, len(text)-shown):]
}

func (p *Plane) tell(t TB) {
	t.Helper()
	for _, part := range p.parts {
		t.Logf("the last output of %s:\n%s", part.name, part.output())
	}
}
