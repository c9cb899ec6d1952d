package importer

import "time"

const (
	// silentBeats is how many heartbeats may be missing before the edge asks
	// whether the exporter is still there.
	silentBeats = 4
	// rarely is how long an edge waits at most that asked in vain, unless its
	// heartbeats are that rare.
	rarely = time.Minute
)

// quiet says how long an attached edge hears nothing before it attaches again.
// It waits twice as long whenever attaching brought nothing: a source that is
// away silences all edges of a fleet, and each attach costs the hub a consumer.
// Only the session that runs uses it.
type quiet struct{ vain int }

// attached counts a session, in vain until heard.
func (q *quiet) attached() { q.vain++ }

// heard notes that something came.
func (q *quiet) heard() { q.vain = 0 }

// patience is how long the session that is attached waits.
func (q *quiet) patience(heartbeat time.Duration) time.Duration {
	d := max(silentBeats*heartbeat, 2*time.Second)
	for i := 1; i < q.vain && d < rarely; i++ {
		d = min(2*d, rarely)
	}
	return d
}
