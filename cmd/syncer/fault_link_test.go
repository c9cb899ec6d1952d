//go:build fault

package main_test

import (
	"testing"
	"time"

	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/replicator/testbed"
	"github.com/syncer-io/syncer/replicator/testbed/guarantee"
)

// TestFaultBadLink cuts, freezes, delays and throttles the link of the edge at
// random for the whole run.
func TestFaultBadLink(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for range rounds(t, fullRounds) {
		switch r.random.IntN(7) {
		case 0:
			r.link.Cut()
		case 1:
			r.link.Refuse()
		case 2:
			r.link.BlackHole()
		case 3:
			r.link.Throttle(int64(4<<10 + r.random.IntN(64<<10)))
		case 4:
			r.link.Delay(time.Duration(r.random.IntN(800)) * time.Millisecond)
		case 5:
			r.link.CutAfter(testbed.Down, r.random.Int64N(256<<10))
		case 6:
			r.link.CutAfter(testbed.Up, r.random.Int64N(4<<10))
		}
		r.pause(4 * time.Second)
		if r.random.IntN(3) > 0 {
			r.heal()
			r.pause(4 * time.Second)
		}
	}
	stop()
	r.heal()
	r.settle()
}

func (r *rig) heal() {
	r.link.Pass()
	r.link.Throttle(0)
	r.link.Delay(0)
}

// TestFaultLongOutage freezes the link for longer than every timeout: status
// says how old its news is, and what piled up arrives.
func TestFaultLongOutage(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for _, cut := range []func(){r.link.BlackHole, r.link.Refuse} {
		cut()
		r.await("the edge is disconnected", func(_ status.List, it status.Item) bool { return it.State == status.Disconnected })
		r.hold(15 * time.Second)
		r.link.Pass()
		r.truth.moves()
	}
	stop()
	r.settle()
}

// TestFaultBootstrapUnderCompaction compacts the source every 50 ms while the
// first copy is made over a thin link and the importer is killed again and
// again.
func TestFaultBootstrapUnderCompaction(t *testing.T) {
	r := newRig(t, false)
	const keys = 4000
	r.fill(keys, 1<<10)
	stopCompacting := r.compact(50 * time.Millisecond)
	r.link.Throttle(1 << 20)
	r.start()
	stop := r.load(usual)
	for range rounds(t, fullRounds/2) {
		r.pause(2 * time.Second)
		r.importer.kill(t)
	}
	r.link.Throttle(0)
	r.truth.cursor("that is consistent", func(c guarantee.Cursor) bool { return c.Consistent })
	for range rounds(t, fullRounds/4) {
		r.pause(2 * time.Second)
		r.exporter.kill(t) // what it missed meanwhile is compacted
	}
	stop()
	stopCompacting()
	r.settle()
}
