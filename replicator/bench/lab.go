package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// lab holds what all measurements share: the binaries and the disk.
type lab struct {
	options
	dir      string // everything that is written, removed by close
	binary   string // syncer
	etcdctl  string
	progress io.Writer
	began    time.Time
}

const mirrorModule = "go.etcd.io/etcd/etcdctl/v3"

func openLab(ctx context.Context, o options, progress io.Writer) (*lab, error) {
	dir, err := os.MkdirTemp(o.dir, "syncer-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the working directory: %w", err)
	}
	l := &lab{options: o, dir: dir, progress: progress, began: time.Now()}
	if err := l.build(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// build builds both tools as their users do.
func (l *lab) build(ctx context.Context) error {
	l.say("building etcdctl and syncer")
	var err error
	if l.etcdctl, err = l.goBuild(ctx, "etcdctl", mirrorModule); err != nil {
		return err
	}
	switch {
	case l.profile != "":
		if err := os.MkdirAll(l.profile, 0o755); err != nil {
			return fmt.Errorf("make the directory for profiles: %w", err)
		}
		fallthrough
	case l.syncer == "":
		l.binary, err = l.goBuild(ctx, "syncer", "github.com/syncer-io/syncer/cmd/syncer")
	default:
		l.binary, err = filepath.Abs(l.syncer)
	}
	if err != nil {
		return err
	}
	return uncache(l.binary)
}

func (l *lab) goBuild(ctx context.Context, name, pkg string) (string, error) {
	out := filepath.Join(l.dir, name)
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// command runs a short command to its end and gives what it wrote to its
// standard output.
func command(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %v: %w\n%s", filepath.Base(path), args, err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %v: %w", filepath.Base(path), args, err)
	}
	return out, nil
}

func (l *lab) close() error {
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("remove the working directory: %w", err)
	}
	return nil
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, "%6.1fs  %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// bed is a source and a target etcd, each a process with default durability.
type bed struct {
	dir            string
	source, target *testbed.EtcdProcess
}

func (l *lab) newBed(ctx context.Context) (*bed, error) {
	dir, err := os.MkdirTemp(l.dir, "bed-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for two etcds: %w", err)
	}
	b := &bed{dir: dir}
	if b.source, err = b.etcd(ctx, "source"); err == nil {
		b.target, err = b.etcd(ctx, "target")
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) etcd(ctx context.Context, name string) (*testbed.EtcdProcess, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return testbed.StartEtcdProcess(ctx, testbed.EtcdConfig{Dir: filepath.Join(b.dir, name), QuotaBytes: 8 << 30})
}

func (b *bed) clients() (source, target *clientv3.Client) {
	return b.source.Client(), b.target.Client()
}

func (b *bed) close() error {
	var err error
	for _, e := range []*testbed.EtcdProcess{b.source, b.target} {
		if e != nil {
			err = errors.Join(err, e.Close())
		}
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}
