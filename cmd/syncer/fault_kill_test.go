//go:build fault

package main_test

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// TestFaultKilledDaemons kills each of the three daemons dozens of times at
// random moments while the source is written to.
func TestFaultKilledDaemons(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	var victims []*daemon
	for range rounds(t, fullRounds) {
		victims = append(victims, r.exporter, r.importer, r.hub)
	}
	r.random.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	for _, d := range victims {
		r.pause(2 * time.Second)
		d.kill(t)
	}
	stop()
	r.settle()
}

// TestFaultKilledOneAtATime kills one daemon again and again before it can get
// far: recovery must make progress all the same.
func TestFaultKilledOneAtATime(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	for _, d := range []*daemon{r.importer, r.exporter, r.hub} {
		r.truth.moves()
		for range rounds(t, fullRounds/2) {
			d.kill(t)
			r.pause(700 * time.Millisecond)
		}
	}
	stop()
	r.settle()
}

// TestFaultKilledEtcds kills the etcds at both ends.
func TestFaultKilledEtcds(t *testing.T) {
	r := newRig(t, true)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for range rounds(t, fullRounds/2) {
		for _, etcd := range r.either(r.source, r.target) {
			r.pause(3 * time.Second)
			if err := etcd.Kill(); err != nil {
				t.Fatal(err)
			}
			r.pause(2 * time.Second)
			if err := etcd.Start(within(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	r.settle()
}

// either gives one of the etcds, or sometimes both.
func (r *rig) either(a, b *testbed.EtcdProcess) []*testbed.EtcdProcess {
	return [][]*testbed.EtcdProcess{{a}, {b}, {a, b}}[r.random.IntN(3)]
}
