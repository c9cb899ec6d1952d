//go:build fault

package main_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed/workload"
)

// disk is where a daemon keeps its data, and how to fill it up.
type disk struct {
	dir        string
	fill, free func()
	total      bool // when it is full no small file can be made either
}

// TestFaultFullDisk fills the importer's disk up while it runs: the state says
// so, and when there is room again it goes on without a restart.
func TestFaultFullDisk(t *testing.T) {
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) { fillTheDisk(t, disk) })
	}
}

var disks = map[string]func(*rig, *daemon) disk{"small": (*rig).smallDisk, "limited": (*rig).limitedDisk}

// TestFaultFullExporterDisk fills the exporter's disk up while it runs, and kills
// it while there is no room: the status says so, and when there is room again it
// goes on by itself.
func TestFaultFullExporterDisk(t *testing.T) {
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) { fillTheExportersDisk(t, disk) })
	}
}

func fillTheExportersDisk(t *testing.T, make func(*rig, *daemon) disk) {
	t.Helper()
	r := newRig(t, false)
	d := make(r, r.exporter)
	r.exporter.config.Args = append(r.exporter.config.Args, "--data-dir", d.dir)
	r.start()
	r.burst(workload.Load{Ops: 200})
	r.prove()
	full := func(text string) bool { return strings.Contains(text, "disk is full") }
	for round := range 2 {
		d.fill()
		r.burst(workload.Load{Ops: 300})
		r.await("the exporter's disk is full", func(_ status.List, it status.Item) bool {
			return it.State == status.Stale && full(it.Reason) && it.Try != ""
		})
		if round == 1 && d.total {
			r.exporter.kill(t)
			r.await("the disk is full at the start too", func(l status.List, _ status.Item) bool {
				return l.Exporter.State == status.ExporterActive && full(l.Exporter.Reason)
			})
		}
		d.free()
		r.prove()
	}
	r.await("nothing is said of the disk", func(l status.List, _ status.Item) bool { return l.Exporter.Reason == "" })
	r.settle()
}

func fillTheDisk(t *testing.T, make func(*rig, *daemon) disk) {
	t.Helper()
	r := newRig(t, false)
	d := make(r, r.importer)
	r.importer.config.Args = append(r.importer.config.Args, "--data-dir", d.dir)
	r.start()
	r.burst(workload.Load{Ops: 200})
	r.prove()
	for round := range 2 {
		d.fill()
		for i := range round + 1 { // more than the inbox has room for without growing
			if _, err := r.source.Client().Put(within(t), fmt.Sprint("/flags/large", i), incompressible(r, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		it := r.await("the edge is halted", func(_ status.List, it status.Item) bool { return it.State == status.Halted })
		if it.Try == "" || !strings.Contains(it.Reason, "disk is full") && !strings.Contains(it.Reason, "file too large") {
			t.Errorf("the reason is %q, the remedy %q", it.Reason, it.Try)
		}
		r.burst(workload.Load{Ops: 100})
		d.free()
		r.prove()
	}
	r.settle()
	if r.importer.starts != 1 {
		t.Errorf("the importer was started %d times", r.importer.starts)
	}
}

// incompressible is a text that takes about as much room on the wire.
func incompressible(r *rig, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(' ' + r.random.IntN(90))
	}
	return string(b)
}

// smallDisk is a file system of 4 MiB. A host that does not let this process
// mount one gets a limit instead.
func (r *rig) smallDisk(of *daemon) disk {
	r.t.Helper()
	dir := r.path("disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=0700")
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		r.t.Logf("mounting is refused (%v): the process is limited instead", err)
		return r.limitedDisk(of)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		of.halt()
		if err := unix.Unmount(dir, 0); err != nil {
			r.t.Errorf("unmount %s: %v", dir, err)
		}
	})
	junk := dir + "/junk"
	return disk{
		dir: dir, total: true,
		fill: func() {
			f, err := os.Create(junk)
			if err != nil {
				r.t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			if !errors.Is(err, unix.ENOSPC) {
				r.t.Fatal(err)
			}
		},
		free: func() {
			if err := os.Remove(junk); err != nil {
				r.t.Fatal(err)
			}
		},
	}
}

// limitedDisk lets no file of the daemon grow any more, which needs no rights at
// all.
func (r *rig) limitedDisk(of *daemon) disk {
	r.t.Helper()
	dir := r.path("limited")
	limit := func(bytes uint64) {
		r.t.Helper()
		var was unix.Rlimit
		pid := of.running().PID()
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &was); err != nil {
			r.t.Fatal(err)
		}
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: was.Max}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	return disk{
		dir:  dir,
		fill: func() { limit(4 << 10) }, // less than what its files have already
		free: func() { limit(unix.RLIM_INFINITY) },
	}
}
