package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// errand is one command to one edge, and what has come of it.
type errand struct {
	edge    string
	command command.Command
	sight   sight        // the newest
	task    command.Task // the newest; its State is "" before the edge tells of it
	sent    time.Time    // zero when it was not taken
	ended   bool         // nothing more is waited for
	err     error        // why it could not be seen through
}

// seen reports whether the edge has told of the command.
func (e *errand) seen() bool { return e.task.State != "" }

// awaited is how an errand is seen through.
type awaited struct {
	timeout time.Duration
	// enough reports whether there is nothing more to wait for.
	enough func(*errand) bool
	// tell is called after every look.
	tell func([]*errand)
}

// over is what most commands wait for.
func over(e *errand) bool { return e.task.State.Ended() }

// sendAll gives the commands to their edges. One that is not taken has ended,
// with the error; whoever cannot be reached for one edge is not asked for the
// next.
func sendAll(ctx context.Context, op operator, errands []*errand) {
	var unreachable error
	for _, e := range errands {
		err := unreachable
		if err == nil {
			err = op.send(ctx, e.edge, e.command)
		}
		switch {
		case err == nil:
			e.sent = time.Now()
		case fault.ExitCode(err) == int(fault.Unreachable):
			unreachable = err
			fallthrough
		default:
			e.ended, e.err = true, err
		}
	}
}

// await waits until every errand has come to its end, or the time is over:
// then those that are left end with class Timeout and what was last seen of
// them. It fails when ctx is done.
func (a awaited) await(ctx context.Context, op operator, errands []*errand) error {
	if allEnded(errands) {
		return context.Cause(ctx) // nil unless the command was told to stop
	}
	bounded, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	for {
		sights, lost := op.look(bounded)
		if fault.ExitCode(lost) == int(fault.Usage) {
			return lost // the edge is gone
		}
		if lost == nil {
			for _, e := range errands {
				a.observe(bounded, op, e, sights)
			}
			a.tell(errands)
			if allEnded(errands) {
				return nil
			}
		}
		if op.changed(bounded) == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a.giveUp(errands, lost)
		return nil
	}
}

// observe takes what a look shows of an errand.
func (a awaited) observe(ctx context.Context, op operator, e *errand, sights []sight) {
	if e.ended {
		return
	}
	for _, s := range sights {
		if s.item.Name != e.edge {
			continue
		}
		e.sight = s
		if t, ok := s.task(e.command.ID); ok {
			e.task = t
		}
		e.ended = e.seen() && a.enough(e)
	}
	e.remind(ctx, op)
}

// reminder is the time after which a command that a connected edge does not
// tell of is sent again: an exporter that fell over, or an edge that had to
// start over, may have lost it.
const reminder = 15 * time.Second

func (e *errand) remind(ctx context.Context, op operator) {
	if e.ended || e.seen() || e.sight.item.State == status.Disconnected || time.Since(e.sent) < reminder {
		return
	}
	e.sent = time.Now()
	if err := op.send(ctx, e.edge, e.command); err != nil && fault.ExitCode(err) != int(fault.Unreachable) && ctx.Err() == nil {
		e.ended, e.err = true, err
	}
}

func allEnded(errands []*errand) bool {
	for _, e := range errands {
		if !e.ended {
			return false
		}
	}
	return true
}

// giveUp ends what is left, with what was last seen of it.
func (a awaited) giveUp(errands []*errand, lost error) {
	for _, e := range errands {
		if e.ended {
			continue
		}
		e.ended = true
		if lost != nil && !errors.Is(lost, context.DeadlineExceeded) {
			e.err = fault.New(fault.Timeout, fault.Try(lost), "%s of %s has not ended after %v: %w", e.command.Verb, e.edge, a.timeout, lost)
			continue
		}
		e.err = fault.New(fault.Timeout, e.remedy(), "%s of %s has not ended after %v: %s", e.command.Verb, e.edge, a.timeout, e.lastSeen())
	}
}

// lastSeen says how far the errand was.
func (e *errand) lastSeen() string {
	it := e.sight.item
	switch {
	case e.seen() && e.task.State.Ended():
		return fmt.Sprintf("it is done, and the edge was last seen %s%s", it.State, because(it.Reason))
	case e.seen():
		return "it was last seen " + describeTask(e.task) + e.paused()
	case it.State == status.Disconnected:
		return fmt.Sprintf("%s has not taken the command yet; it is disconnected%s: it will when it comes back", e.edge, because(it.Reason))
	case it.State == "":
		return fmt.Sprintf("nothing was seen of %s", e.edge)
	default:
		return fmt.Sprintf("%s has not taken the command yet; it was last seen %s%s", e.edge, it.State, because(it.Reason))
	}
}

func (e *errand) paused() string {
	if e.sight.item.State == status.Paused {
		return ", and the edge is paused"
	}
	return ""
}

// remedy is what to do about an errand that takes long.
func (e *errand) remedy() string {
	if e.sight.item.State == status.Paused && e.command.Verb != command.Resume {
		return "syncer resume " + e.edge
	}
	return firstOf(e.sight.item.Try, "look again later: syncer status "+e.edge)
}

// failed is the error of a task that failed, in a class of its own choice.
func (e *errand) failed(class fault.Class) error {
	if e.task.State != command.Failed {
		return nil
	}
	reason := firstOf(e.task.Reason, "the edge gives no reason")
	return fault.New(class, firstOf(e.task.Try, e.sight.item.Try, "syncer status "+e.edge), "%s of %s failed: %s", e.command.Verb, e.edge, reason)
}
