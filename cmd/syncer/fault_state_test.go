//go:build fault

package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
)

// TestFaultHubRolledBack puts an older copy of the hub's directory in its
// place, as a restored virtual machine does: sequences that were handed out are
// handed out again.
func TestFaultHubRolledBack(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for i := range rounds(t, 5) {
		older := r.path(fmt.Sprintf("hub-%d", i))
		r.hub.halt()
		r.copyDir(r.path("hub"), older)
		r.hub.start()
		r.truth.moves()
		r.pause(4 * time.Second)
		r.hub.halt()
		r.removeAll(r.path("hub"))
		r.copyDir(older, r.path("hub"))
		if i%2 == 1 { // the exporter's memory of what it published goes too
			r.exporter.halt()
			r.forget(r.path("exporter"), "instance")
			r.exporter.start()
		}
		r.hub.start()
		r.truth.moves()
	}
	stop()
	r.settle()
}

// TestFaultEdgeBehindALostTail sets the hub back while the edge is away: the
// exporter goes on where it was, and what lies between is nowhere.
func TestFaultEdgeBehindALostTail(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for i := range rounds(t, 3) {
		older := r.path(fmt.Sprintf("hub-%d", i))
		r.hub.halt()
		r.importer.halt()
		r.copyDir(r.path("hub"), older)
		r.hub.start()
		ahead := r.truth.source.recorder.Last()
		r.await("the exporter went on", func(l status.List, _ status.Item) bool { return l.Source.Revision > ahead })
		r.hold(3 * time.Second) // the exporter remembers what was acknowledged
		r.hub.halt()
		r.removeAll(r.path("hub"))
		r.copyDir(older, r.path("hub"))
		r.hub.start()
		r.hold(3 * time.Second) // and publishes behind it
		r.importer.start()
		r.truth.moves()
	}
	stop()
	r.settle()
}

// TestFaultStreamLost purges the log stream, deletes it, and deletes the
// stream of reports, under running daemons.
func TestFaultStreamLost(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	admin, err := natsjs.New(r.admin())
	if err != nil {
		t.Fatal(err)
	}
	name := jetstream.Stream("cloud")
	faults := []func(ctx context.Context) error{
		func(ctx context.Context) error {
			stream, err := admin.Stream(ctx, name)
			if err != nil {
				return err
			}
			return stream.Purge(ctx)
		},
		func(ctx context.Context) error { return admin.DeleteStream(ctx, name) },
		func(ctx context.Context) error {
			err := admin.DeleteStream(ctx, jetstream.StatusStream("cloud"))
			if errors.Is(err, natsjs.ErrStreamNotFound) {
				return nil // the round before deleted it, and the next report makes it again
			}
			return err
		},
	}
	for range rounds(t, 4) {
		for _, i := range r.random.Perm(len(faults)) {
			r.pause(2 * time.Second)
			if err := faults[i](within(t)); err != nil {
				t.Fatalf("fault %d: %v", i, err)
			}
			r.truth.moves()
		}
	}
	stop()
	r.settle()
}

// TestFaultLostState deletes what the daemons keep on disk, by and by all but
// the credentials.
func TestFaultLostState(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	losses := []func(){
		func() {
			r.importer.halt()
			r.removeAll(r.path("edge", "inbox.db"))
			r.importer.start()
		},
		func() {
			r.importer.halt()
			r.forget(r.path("edge"), "edge.yaml", "edge.nk")
			r.importer.start()
		},
		func() {
			r.exporter.halt()
			indexes, err := filepath.Glob(r.path("exporter", "index-*"))
			if err != nil || len(indexes) == 0 {
				t.Fatalf("the exporter keeps no index (%v)", err)
			}
			for _, path := range indexes {
				r.removeAll(path)
			}
			r.exporter.start()
		},
		func() {
			r.exporter.halt()
			r.removeAll(r.path("exporter"))
			r.exporter.start()
		},
		func() {
			r.exporter.halt()
			r.importer.halt()
			r.removeAll(r.path("exporter"))
			r.forget(r.path("edge"), "edge.yaml", "edge.nk")
			r.importer.start()
			r.exporter.start()
		},
	}
	for range rounds(t, 3) {
		for _, i := range r.random.Perm(len(losses)) {
			losses[i]()
			r.truth.moves()
			r.pause(time.Second)
		}
	}
	stop()
	r.settle()
}

// TestFaultTargetSetBack wipes the target, or restores it from an older copy,
// while the importer runs or is being killed.
func TestFaultTargetSetBack(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for i := range rounds(t, 8) {
		if i%2 == 0 {
			r.truth.breakTarget(r.target.Wipe)
		} else {
			older := r.path(fmt.Sprintf("target-%d", i))
			if err := r.target.Copy(within(t), older); err != nil {
				t.Fatal(err)
			}
			r.truth.moves()
			r.pause(2 * time.Second)
			r.truth.breakTarget(func(ctx context.Context) error { return r.target.Restore(ctx, older) })
		}
		if r.random.IntN(2) == 0 {
			r.pause(time.Second)
			r.importer.kill(t)
		}
		r.truth.moves()
	}
	stop()
	r.settle()
}

func (r *rig) copyDir(from, to string) {
	r.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "admin.nk"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) removeAll(path string) {
	r.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		r.t.Fatal(err)
	}
}

// forget removes everything from a directory but the named files.
func (r *rig) forget(dir string, but ...string) {
	r.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		kept := false
		for _, name := range but {
			kept = kept || e.Name() == name
		}
		if !kept {
			r.removeAll(filepath.Join(dir, e.Name()))
		}
	}
}
