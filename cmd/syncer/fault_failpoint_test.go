//go:build fault

package main_test

import (
	"fmt"
	"testing"

	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/testbed"
)

// TestFaultFailpoints dies at every failpoint, one after the other.
func TestFaultFailpoints(t *testing.T) {
	for _, name := range failpoint.All {
		for _, d := range deaths(name) {
			t.Run(string(d.name)+d.of, d.dies)
		}
	}
}

// TestFaultRandomFailpoints has both sides die again and again, each after a
// random number of moments: often while it starts, sometimes after it got far.
func TestFaultRandomFailpoints(t *testing.T) {
	etcd := testbed.EtcdConfig{Fast: true}
	r := newRigOf(t, parts{binary: armedBinary, source: etcd, target: etcd, join: (*rig).joins})
	r.fill(2000, 1<<10)
	r.start()
	stop := r.load(usual)
	for range rounds(t, fullRounds) {
		var armed []*testbed.Process
		for _, d := range []*daemon{r.exporter, r.importer} {
			d.halt()
			armed = append(armed, d.startAt(t, fmt.Sprintf("any:%d", 1+r.random.IntN(1<<(1+r.random.IntN(9))))))
		}
		for _, p := range armed {
			r.dies(p, "")
		}
	}
	r.truth.moves()
	stop()
	r.settle()
	r.claims.nothingSkipped()
}
