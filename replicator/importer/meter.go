package importer

import "time"

// meter measures how fast a link is from what comes in while it is busy.
type meter struct {
	since time.Time // the first message of a burst
	last  time.Time
	bytes int // after the first message: how long that took is not known
}

const (
	// lull ends a burst: the link had nothing to carry.
	lull = 300 * time.Millisecond
	// enough is how much a burst has to bring before it tells the speed.
	enough = 64 << 10
)

// took notes bytes that have come in, and gives the speed of the link in bytes
// per second when that is known.
func (m *meter) took(now time.Time, bytes int) (speed float64, ok bool) {
	if now.Sub(m.last) > lull {
		*m = meter{since: now, last: now}
		return 0, false
	}
	m.last = now
	m.bytes += bytes
	elapsed := now.Sub(m.since)
	if m.bytes < enough || elapsed < time.Millisecond {
		return 0, false
	}
	speed = float64(m.bytes) / elapsed.Seconds()
	*m = meter{since: now, last: now}
	return speed, true
}
