package importer

import (
	"testing"
	"time"
)

func TestMeterMeasuresBursts(t *testing.T) {
	var m meter
	now := time.Unix(1, 0)
	tick := func(d time.Duration, bytes int) (float64, bool) {
		now = now.Add(d)
		return m.took(now, bytes)
	}
	if _, ok := tick(0, 1<<20); ok {
		t.Error("the first message has no known duration")
	}
	if _, ok := tick(time.Hour, 1<<20); ok {
		t.Error("a lull is no transfer")
	}
	if _, ok := tick(100*time.Millisecond, enough/2); ok {
		t.Error("too little tells nothing")
	}
	if speed, ok := tick(100*time.Millisecond, enough/2); !ok || speed != 5*enough {
		t.Errorf("speed %v, %v, want %d", speed, ok, 5*enough)
	}
}
