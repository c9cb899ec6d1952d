package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// freshReports is how many reports of the exporter must come after the command
// began, so that what was written to the source before it counts.
const freshReports = 2

// bound ends what waits after its time.
func (o statusOptions) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.wait {
		return context.WithTimeout(ctx, o.timeout)
	}
	return context.WithCancel(ctx)
}

// open connects to the hub. With --wait a hub that is away is waited for too.
func (o statusOptions) open(ctx context.Context, cmd *cobra.Command, s *session) (*cloud, error) {
	for {
		c, err := s.openCloud(cmd)
		if err == nil || !o.wait || fault.ExitCode(err) != int(fault.Unreachable) {
			return c, err
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			if cmd.Context().Err() != nil {
				return nil, context.Cause(cmd.Context())
			}
			return nil, o.timedOut(view{}, freshness{}, err)
		}
	}
}

// waitFor waits until everything asked for has reached the goal, and then
// prints the status. Being in sync means with everything that the exporter
// had published some reports after the command began.
func (o statusOptions) waitFor(ctx context.Context, cmd *cobra.Command, observer *observer) error {
	var last view
	var lastErr error
	var fresh freshness
	for {
		v, err := observer.look(ctx, fresh.floors)
		if err == nil {
			last, lastErr = v, nil
			fresh.see(v)
			if len(v.list.Items) == 0 {
				return fault.New(fault.Usage, "syncer pair create EDGE", "there is no edge to wait for")
			}
			if o.arrived(v, fresh) {
				return o.print(cmd, v)
			}
			if stopped := o.stopped(v.list); stopped != nil {
				return errors.Join(o.print(cmd, v), stopped)
			}
		} else if ctx.Err() == nil {
			if fault.ExitCode(err) == int(fault.Usage) {
				return err
			}
			lastErr = err
		}
		if err := observer.changed(ctx); err != nil {
			if cmd.Context().Err() != nil {
				return context.Cause(cmd.Context())
			}
			return o.timedOut(last, fresh, lastErr)
		}
	}
}

func (o statusOptions) arrived(v view, fresh freshness) bool {
	if o.goal == goalInSync && fresh.floors == nil {
		return false
	}
	for _, it := range v.list.Items {
		if !o.reached(it) {
			return false
		}
	}
	return true
}

// timedOut says what was seen last of everything that is missing.
func (o statusOptions) timedOut(last view, fresh freshness, err error) error {
	if err != nil {
		return fault.New(fault.Timeout, fault.Try(err), "not %s after %v: %w", o.goal, o.timeout, err)
	}
	var missing []string
	try := "syncer status --watch"
	for _, it := range last.list.Items {
		if o.reached(it) {
			continue
		}
		if it.Try != "" && len(missing) == 0 {
			try = printable(it.Try)
		}
		missing = append(missing, fmt.Sprintf("%s was last seen %s%s, at revision %d of %d%s",
			it.Name, it.State, because(it.Reason), it.AppliedRevision, it.SourceRevision, reportAge(it)))
	}
	if len(missing) == 0 && fresh.floors == nil {
		missing = append(missing, "the exporter has not reported in this time"+because(last.list.Exporter.Reason))
		try = firstOf(last.list.Exporter.Try, try)
	}
	return fault.New(fault.Timeout, try, "not %s after %v: %s", o.goal, o.timeout, strings.Join(missing, "; "))
}

func reportAge(it status.Item) string {
	if it.AgeSeconds == nil {
		return ""
	}
	return fmt.Sprintf(" (reported %s ago)", age(it.AgeSeconds))
}

// freshness counts the exporter's reports since the first look.
type freshness struct {
	first  bool
	newest time.Time
	count  int
	floors map[string]change.Position // nil until there were enough
}

func (f *freshness) see(v view) {
	if !f.first {
		f.first, f.newest = true, v.exported
		return
	}
	if v.exported.After(f.newest) {
		f.newest = v.exported
		f.count++
	}
	if f.floors == nil && f.count >= freshReports {
		f.floors = v.newest
	}
}

// floors remembers what the channels had changed, for a command that watches.
type floors struct {
	past []pastFloors
}

type pastFloors struct {
	at     time.Time
	values map[string]change.Position
}

func (f *floors) add(at time.Time, values map[string]change.Position) {
	f.past = append(f.past, pastFloors{at, values})
}

// settled are the newest floors that are old enough for every edge to have
// reported them.
func (f *floors) settled(now time.Time) map[string]change.Position {
	var out map[string]change.Position
	for len(f.past) > 0 && now.Sub(f.past[0].at) >= settle {
		out = f.past[0].values
		if len(f.past) == 1 || now.Sub(f.past[1].at) < settle {
			break
		}
		f.past = f.past[1:]
	}
	if out == nil && len(f.past) > 0 {
		out = f.past[0].values
	}
	return out
}
