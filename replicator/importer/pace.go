package importer

import (
	"cmp"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/status"
)

const (
	// taskTime bounds how long a comparison that changes nothing may stand still:
	// others wait for it. How long it takes in all is for whoever asked.
	taskTime = 10 * time.Minute
	// deepTime is that for an exporter that reads its whole source before it
	// answers, while it is heard.
	deepTime = time.Hour
)

// pace is how the comparison that changes nothing comes on. It outlives sessions:
// a task that has begun ends also when the exporter is away.
type pace struct {
	task  *task // nil while there is none
	moved time.Time
	deep  bool // the exporter reads its source, and tells nothing meanwhile
}

// begin follows a task, or one that begins once more: that is no progress.
func (p *pace) begin(t *task) {
	if p.task == nil || p.task.command.ID != t.command.ID {
		p.moved = time.Now()
	}
	p.task, p.deep = t, t.command.Deep
}

// move notes progress.
func (p *pace) move() { p.moved, p.deep = time.Now(), false }

func (p *pace) end(t *task) {
	if p.task != nil && p.task.command.ID == t.command.ID {
		p.task = nil
	}
}

// over is when the time of the task is over if it does not come on; zero when
// there is none.
func (p *pace) over(v *view) time.Time {
	switch {
	case p.task == nil:
		return time.Time{}
	case p.deep:
		return sooner(p.moved.Add(deepTime), v.heardLast(p.moved).Add(taskTime))
	default:
		return p.moved.Add(taskTime)
	}
}

// expire fails a task that stands still, whether it runs or waits to begin again.
func (a *applier) expire() error {
	p := &a.im.pace
	if p.task == nil || time.Now().Before(p.over(a.im.view)) {
		return nil
	}
	t := p.task
	if a.comparison.task != nil && a.comparison.task.command.ID == t.command.ID {
		a.comparison.stop()
	}
	t.shown.Reason, t.shown.Try = a.im.view.standstill(time.Since(p.moved))
	return a.end(t, nil)
}

// heardLast is when the exporter was heard last, not before a time.
func (v *view) heardLast(since time.Time) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.heardAt.Before(since) {
		return since
	}
	return v.heardAt
}

// standstill is why a comparison may have stood still for so long.
func (v *view) standstill(d time.Duration) (reason, try string) {
	reason, try = fmt.Sprintf("the comparison made no progress for %v", d.Round(time.Second)), "syncer doctor"
	v.mu.Lock()
	defer v.mu.Unlock()
	switch s := v.state(); s.state {
	case status.Halted, status.Disconnected, status.Stale, status.Paused:
		return reason + ": " + s.reason, cmp.Or(s.try, try)
	}
	return reason + ", although the exporter is heard", try
}
