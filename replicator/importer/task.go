package importer

import (
	"context"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
)

// task is a command that is being carried out.
type task struct {
	command command.Command
	shown   command.Task
	put     uint64
	delete  uint64
	bytes   int64
	done    uint64
	sampled int  // bytes of the keys that are named
	differ  bool // some range differs
}

// obey carries out the commands that may be carried out now.
func (a *applier) obey(ctx context.Context) error {
	for {
		c, ok := a.im.orders.next(a.may)
		if !ok {
			return nil
		}
		if err := a.carryOut(ctx, c); err != nil {
			return fmt.Errorf("carry out command %s: %w", c.Verb, err)
		}
	}
}

// may reports whether a command can begin. One that compares waits until the
// edge is attached and nothing else is being compared; on a paused edge it
// begins, and fails. Deletes go when the groups are known to be about what the
// source does not have: not before a comparison that is due.
func (a *applier) may(c command.Command) bool {
	if c.Verb == command.Approve || c.Verb == command.Resolve {
		return a.cursor.Consistent
	}
	if !c.Verb.Compares() || a.cursor.Paused {
		return true
	}
	return a.comparison.ask != nil && a.comparison.id == "" && a.cursor.Consistent
}

func (a *applier) carryOut(ctx context.Context, c command.Command) error {
	t := &task{command: c, shown: command.Task{ID: c.ID, Verb: c.Verb, State: command.Running, Groups: c.Groups}}
	a.im.view.task(t.shown)
	a.im.logger.Info("carrying out a command", "verb", string(c.Verb), "id", c.ID)
	if a.cursor.Paused && (c.Verb == command.Approve || c.Verb == command.Resolve) {
		t.shown.Reason, t.shown.Try = "the edge is paused: it does not look at what others write, and writes nothing", "syncer resume"
		return a.end(t, nil)
	}
	switch c.Verb {
	case command.Pause, command.Resume:
		return a.end(t, a.setPaused(ctx, c.Verb == command.Pause))
	case command.Approve:
		return a.end(t, a.approve(ctx, t))
	case command.Retry:
		return a.end(t, a.retry(ctx, t))
	case command.Drop:
		return a.end(t, a.drop(ctx, t))
	case command.Parked:
		a.tellParked(t)
		return a.end(t, nil)
	case command.Conflicts:
		return a.end(t, a.tell(t))
	case command.Resolve:
		return a.end(t, a.resolve(ctx, t))
	default:
		return a.startComparison(ctx, t)
	}
}

// end closes a task. An error that is not about the command ends the session,
// and the command is carried out in the next one.
func (a *applier) end(t *task, err error) error {
	if t.shown.Reason != "" {
		t.shown.State = command.Failed
	} else if err == nil {
		t.shown.State = command.Done
	}
	if err != nil {
		return err
	}
	a.im.pace.end(t)
	a.im.view.task(t.shown)
	return a.im.orders.done(t.command.ID)
}

func (a *applier) setPaused(ctx context.Context, paused bool) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	cursor := a.standing()
	cursor.Paused = paused
	return a.commit(ctx, nil, cursor)
}

// startComparison begins a comparison for a command.
func (a *applier) startComparison(ctx context.Context, t *task) error {
	if a.cursor.Paused {
		t.shown.Reason, t.shown.Try = "the edge is paused: it takes in nothing to compare with", "syncer resume"
		return a.end(t, nil)
	}
	if t.command.Verb == command.Resync {
		if err := a.retryRefused(ctx); err != nil {
			return err
		}
	}
	c := &a.comparison
	c.task = t
	c.begin("an operator asked for it")
	c.dry = t.command.Verb != command.Resync
	c.full, c.deep = t.command.Full, t.command.Deep
	if t.command.Prefix != "" {
		c.scope = change.PrefixRange([]byte(t.command.Prefix))
	}
	t.shown.Parked, t.shown.Local = a.parked.count(c.scope)
	if c.dry {
		a.im.pace.begin(t)
	}
	return nil
}

// compared notes what the digest page told. What was brought over in full before
// a restart counts as well.
func (t *task) compared(a *applier, revision int64, equal uint64, left []digest.Difference, behind reached) {
	t.shown.Revision, t.shown.Equal, t.shown.Samples = revision, equal, nil
	t.differ = len(left) > 0
	t.put, t.delete, t.bytes, t.done, t.sampled = behind.Put, 0, int64(behind.Bytes), behind.Bytes, 0
	if t.command.Verb == command.Resync {
		for _, d := range left {
			t.bytes += int64(d.Bytes)
		}
	}
	a.im.pace.move()
	t.show(a)
}

// arrived notes that a range is here.
func (t *task) arrived(a *applier, bytes uint64) {
	t.done += bytes
	t.show(a)
}

func (t *task) show(a *applier) {
	t.shown.Put, t.shown.Delete = t.put, t.delete
	t.shown.Bytes, t.shown.BytesDone = t.bytes, int64(t.done)
	t.shown.Speed, t.shown.Transfer = a.im.view.rate(t.bytes)
	a.im.view.task(t.shown)
}

// complete ends the task of a comparison at which everything is here.
func (a *applier) complete(ctx context.Context) error {
	c := &a.comparison
	t := c.task
	if c.dry && !c.full && t.differ && t.put+t.delete == 0 {
		return a.contradiction(ctx)
	}
	c.task = nil
	t.show(a)
	wrong := c.dry && !c.full && t.put+t.delete > 0 && a.cursor.Consistent
	if err := a.end(t, nil); err != nil {
		return err
	}
	switch {
	case wrong: // the edge cannot go on to say that it is in sync
		a.im.view.mismatched()
		if err := a.setConsistent(ctx, false); err != nil {
			return err
		}
		c.begin("a comparison that an operator asked for found differences")
		c.dry, c.scope, c.full, c.deep = false, change.Range{}, false, false
	case a.cursor.Consistent:
		c.stop()
	}
	a.im.view.comparing(c)
	return nil
}

// contradiction deals with digests that differ although no key does: prints
// misled, or the exporter's index is wrong. A repair reads the source; then the
// command is carried out again.
func (a *applier) contradiction(ctx context.Context) error {
	a.im.view.mismatched()
	if err := a.setConsistent(ctx, false); err != nil {
		return err
	}
	a.postpone()
	a.comparison.begin("digests differ and no key does")
	return nil
}

// postpone puts the command whose comparison runs back into the queue.
func (a *applier) postpone() {
	if t := a.comparison.task; t != nil {
		a.im.view.task(command.Task{ID: t.command.ID, Verb: t.command.Verb, State: command.Waiting})
		a.im.orders.back(t.command)
	}
	a.comparison.stop()
}
