package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	etcdversion "go.etcd.io/etcd/api/v3/version"
)

// machine is where a run was made, and with what.
type machine struct {
	CPU    string
	Cores  int
	Memory string
	Kernel string
	Go     string
	Syncer string
	Mirror string
	Etcd   string
	NATS   string
	Sync50 time.Duration // of one write and its sync
	Sync99 time.Duration
	Load   string // before the run, over one, five and fifteen minutes
}

func (l *lab) describe(ctx context.Context) (machine, error) {
	m := machine{
		CPU:    field("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Memory: memoryOf(field("/proc/meminfo", "MemTotal")),
		Kernel: kernel(),
		Go:     runtime.Version(),
		Etcd:   etcdversion.Version,
		NATS:   moduleVersion("github.com/nats-io/nats-server/v2"),
		Load:   load(),
	}
	var err error
	if m.Mirror, err = l.mirrorVersion(ctx); err != nil {
		return m, err
	}
	text, err := command(ctx, l.binary, "version")
	if err != nil {
		return m, err
	}
	m.Syncer = strings.TrimSpace(string(text))
	m.Sync50, m.Sync99, err = l.syncTimes()
	return m, err
}

// field reads "name: value" from a file of the kernel. What is not there is
// unknown, which is no reason not to measure.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memoryOf(text string) string {
	var kib int64
	if _, err := fmt.Sscanf(text, "%d kB", &kib); err != nil {
		return text
	}
	return fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	return fmt.Sprintf("Linux %s, %s", strings.TrimSpace(string(text)), runtime.GOARCH)
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	words := strings.Fields(string(text))
	if err != nil || len(words) < 3 {
		return "unknown"
	}
	return strings.Join(words[:3], ", ")
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return "unknown"
}

const syncs = 300

// syncTimes is what the disk needs to make 4 KiB durable at the end of a file.
func (l *lab) syncTimes() (p50, p99 time.Duration, err error) {
	f, err := os.Create(filepath.Join(l.dir, "sync"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }() // nothing in it counts
	var all series
	block := make([]byte, 4<<10)
	for range syncs {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := syscall.Fsync(int(f.Fd())); err != nil {
			return 0, 0, err
		}
		all = append(all, time.Since(began).Seconds())
	}
	at := func(p float64) time.Duration { return time.Duration(all.percentile(p) * float64(time.Second)) }
	return at(50), at(99), nil
}
