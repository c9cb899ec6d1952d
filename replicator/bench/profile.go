package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/syncer-io/syncer/replicator"
	"github.com/syncer-io/syncer/replicator/config"
	"github.com/syncer-io/syncer/replicator/jetstream/hub"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// With -profile the daemons run inside re-executions of this binary, which
// write their profiles when they are stopped. Figures measured this way are
// not syncer's: the binary holds an etcd server as well.

// profiledDaemon names, in the environment, the profile to write.
const profiledDaemon = "SYNCER_BENCH_PROFILE"

// importerMemory is about what `syncer import` sets for 100,000 keys.
const importerMemory = 24 << 20

// profiled turns a daemon of syncer into one that writes profiles beside its
// log.
func (l *lab) profiled(name string, p *testbed.ProcessConfig) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the running binary: %w", err)
	}
	base, err := os.CreateTemp(l.profile, name+"-*")
	if err != nil {
		return fmt.Errorf("name a profile: %w", err)
	}
	p.Path, p.Env, p.Log = self, []string{profiledDaemon + "=" + base.Name()}, base
	return nil
}

func runProfiled(ctx context.Context, base string, args []string) (err error) {
	cpu, err := os.Create(base + ".cpu")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	largest := make(chan error)
	go func() { largest <- keepLargest(watching, base+".live") }()
	defer func() {
		stop()
		pprof.StopCPUProfile()
		err = errors.Join(err, cpu.Close(), <-largest, writeHeap(base+".allocs", "allocs"))
	}()
	return daemon(ctx, filepath.Base(base), args, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
}

// keepLargest writes the heap profile of the moment with the most live bytes.
func keepLargest(ctx context.Context, path string) error {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for largest := uint64(0); ; {
		metrics.Read(live)
		if n := live[0].Value.Uint64(); n > largest+largest/20 {
			largest = n
			if err := writeHeap(path, "heap"); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func writeHeap(path, kind string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(kind).WriteTo(f, 0), f.Close())
}

// daemon is what the commands of syncer do.
func daemon(ctx context.Context, name string, args []string, logger *slog.Logger) error {
	file := args[len(args)-1]
	switch {
	case strings.HasPrefix(name, "hub"):
		return replicator.Hub(ctx, hub.Options{DataDir: args[2], Listen: args[4], MaxBytes: 10 << 30, Logger: logger}, func(h *hub.Hub) {
			fmt.Fprintln(os.Stderr, "The hub listens on", h.URL())
		})
	case strings.HasPrefix(name, "exporter"):
		cfg, err := config.LoadExporter(file)
		if err != nil {
			return err
		}
		return replicator.Export(ctx, cfg, logger)
	default:
		cfg, err := config.LoadImporter(file)
		if err != nil {
			return err
		}
		debug.SetMemoryLimit(importerMemory)
		return replicator.Import(ctx, cfg, logger)
	}
}
