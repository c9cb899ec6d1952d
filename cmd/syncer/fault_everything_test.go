//go:build fault

package main_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// TestFaultPausedDaemons stops processes in their tracks for up to longer than
// every timeout, as an overloaded machine does, and lets them go on.
func TestFaultPausedDaemons(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for range rounds(t, 4) {
		for _, i := range r.random.Perm(3) {
			d := []*daemon{r.exporter, r.importer, r.hub}[i]
			r.signal(d, syscall.SIGSTOP)
			r.pause(15 * time.Second)
			r.signal(d, syscall.SIGCONT)
			r.pause(3 * time.Second)
		}
		r.truth.moves()
	}
	stop()
	r.settle()
}

// TestFaultEverything lets all that can go wrong go wrong, in random order and
// without waiting for a recovery in between.
func TestFaultEverything(t *testing.T) {
	r := newRig(t, true)
	r.start()
	stop := r.load(usual)
	stopCompacting := r.compact(time.Second)
	r.truth.moves()
	faults := r.allFaults()
	for range rounds(t, 2*fullRounds) {
		f := faults[r.random.IntN(len(faults))]
		t.Log(f.name)
		f.strike()
		r.pause(3 * time.Second)
		if r.random.IntN(3) > 0 {
			r.heal()
		}
		if r.random.IntN(8) == 0 {
			r.heal()
			r.truth.moves()
		}
	}
	r.heal()
	stop()
	stopCompacting()
	r.settle()
}

type misfortune struct {
	name   string
	strike func()
}

func (r *rig) allFaults() []misfortune {
	restart := func(etcd *testbed.EtcdProcess) {
		if err := etcd.Kill(); err != nil {
			r.t.Fatal(err)
		}
		r.pause(2 * time.Second)
		if err := etcd.Start(within(r.t)); err != nil {
			r.t.Fatal(err)
		}
	}
	copies := 0
	return []misfortune{
		{"kill the exporter", func() { r.exporter.kill(r.t) }},
		{"kill the importer", func() { r.importer.kill(r.t) }},
		{"kill the hub", func() { r.hub.kill(r.t) }},
		{"kill the source", func() { restart(r.source) }},
		{"kill the target", func() { restart(r.target) }},
		{"wipe the target", func() { r.truth.breakTarget(r.target.Wipe) }},
		{"set the target back", func() {
			copies++
			older := r.path(fmt.Sprintf("target-%d", copies))
			if err := r.target.Copy(within(r.t), older); err != nil {
				r.t.Fatal(err)
			}
			r.pause(3 * time.Second)
			r.truth.breakTarget(func(ctx context.Context) error { return r.target.Restore(ctx, older) })
		}},
		{"set the hub back", func() {
			copies++
			older := r.path(fmt.Sprintf("hub-%d", copies))
			r.hub.halt()
			r.copyDir(r.path("hub"), older)
			r.hub.start()
			r.pause(5 * time.Second)
			r.hub.halt()
			r.removeAll(r.path("hub"))
			r.copyDir(older, r.path("hub"))
			r.hub.start()
		}},
		{"purge the stream", func() {
			r.stream(func(ctx context.Context, js natsjs.JetStream, name string) error {
				stream, err := js.Stream(ctx, name)
				if err != nil {
					return err
				}
				return stream.Purge(ctx)
			})
		}},
		{"delete the stream", func() {
			r.stream(func(ctx context.Context, js natsjs.JetStream, name string) error { return js.DeleteStream(ctx, name) })
		}},
		{"lose the edge's state", func() {
			r.importer.halt()
			r.forget(r.path("edge"), "edge.yaml", "edge.nk")
			r.importer.start()
		}},
		{"lose the exporter's state", func() {
			r.exporter.halt()
			r.removeAll(r.path("exporter"))
			r.exporter.start()
		}},
		{"cut the link", r.link.Cut},
		{"freeze the link", r.link.BlackHole},
		{"throttle the link", func() { r.link.Throttle(int64(8<<10 + r.random.IntN(64<<10))) }},
		{"pause the importer", func() {
			r.signal(r.importer, syscall.SIGSTOP)
			r.pause(6 * time.Second)
			r.signal(r.importer, syscall.SIGCONT)
		}},
	}
}

// stream does something to the log stream, if the hub is up and has it.
func (r *rig) stream(do func(ctx context.Context, js natsjs.JetStream, name string) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(within(r.t), 3*time.Second)
	defer cancel()
	js, err := natsjs.New(r.admin())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := do(ctx, js, jetstream.Stream("cloud")); err != nil {
		r.t.Logf("… which did not work out: %v", err)
	}
}
