package main_test

import (
	"testing"
	"time"
)

// TestKilledDaemonsComeBack kills each daemon a few times under load. The long
// run, with every other fault, is `make fault`.
func TestKilledDaemonsComeBack(t *testing.T) {
	r := newRig(t, false)
	r.start()
	stop := r.load(usual)
	r.truth.moves()
	for range 2 {
		for _, d := range []*daemon{r.importer, r.exporter, r.hub} {
			d.kill(t)
			r.pause(time.Second)
		}
	}
	stop()
	r.settle()
}
