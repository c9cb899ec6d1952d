package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
	"github.com/syncer-io/syncer/replicator/status"
	"github.com/syncer-io/syncer/wal"
)

// Config is what an importer needs to know.
type Config struct {
	Name       string // the edge's name
	Source     string
	Channel    string // the name of the policy; what feeds the edge is the exporter's matter
	Instance   string // different for every process
	Version    string
	DataDir    string // locked by the caller
	InboxBytes int64
	Accept     Accept
}

// Importer brings one channel to one target. Make it with New, then Run it
// once.
type Importer struct {
	cfg     Config
	nc      *nats.Conn
	dial    func(ctx context.Context) (Cluster, error)
	cluster Cluster
	logger  *slog.Logger
	view    *view
	orders  *orders
	pace    pace

	inbox  *wal.Log
	limits target.Limits
	target Target
	ranges []change.Range // those of target

	table   *digest.Table
	tally   *digest.Tally
	parked  *parked
	auditor auditor
	sight   *sight // of the applier that was made last; its watch runs until it is closed
	ledger  *ledger.Ledger
	modRev  int64       // of the cursor that table belongs to
	stale   atomic.Bool // table may not be what the target holds
	retried time.Time   // when refused groups were last tried again
	again   again

	dead  deadEnd
	quiet quiet
}

// New makes an importer over a hub connection, which stays the caller's and
// may be down for now. dial connects to the target; it is tried until it
// succeeds, and the importer closes what it gives.
func New(cfg Config, nc *nats.Conn, dial func(ctx context.Context) (Cluster, error), logger *slog.Logger) *Importer {
	return &Importer{cfg: cfg, nc: nc, dial: dial, logger: logger, view: newView(cfg), orders: newOrders(cfg.DataDir, logger)}
}

// Status is the importer's report as of now.
func (im *Importer) Status() status.Edge { return im.view.status() }

// Run imports until ctx is done, and then returns nil. It returns an error
// only for what cannot go away by itself: another importer of the same edge
// took over (class Safety), or a frame of a format from the future.
func (im *Importer) Run(ctx context.Context) error {
	if err := im.openInbox(ctx); errors.Is(err, errDone) {
		return nil
	} else if err != nil {
		return err
	}
	if err := im.openLedger(); err != nil {
		return errors.Join(err, im.inbox.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return im.report(ctx) })
	group.Go(func() error { return im.sessions(ctx) })
	err := group.Wait()
	if errors.Is(err, errDone) {
		err = nil
	}
	if im.cluster != nil {
		err = errors.Join(err, im.cluster.Close())
	}
	return errors.Join(err, im.ledger.Close(), im.inbox.Close())
}

// openLedger opens the record of conflicts.
func (im *Importer) openLedger() (err error) {
	im.ledger, err = ledger.Open(filepath.Join(im.cfg.DataDir, "conflicts.db"), ledger.Options{})
	if err != nil {
		return fault.New(fault.General, "check the data directory and its disk; removing conflicts.db loses what it records", "%w", err)
	}
	for _, name := range im.ledger.Aside() {
		im.logger.Warn("the record of conflicts was damaged, and is kept under another name", "file", name)
	}
	return nil
}

// reach connects to the target.
func (im *Importer) reach(ctx context.Context) error {
	for pause := 200 * time.Millisecond; im.cluster == nil; pause = min(2*pause, 5*time.Second) {
		cluster, err := im.dial(ctx)
		if err == nil {
			im.cluster = cluster
			im.view.trouble(partTarget, nil)
			return nil
		}
		if ctx.Err() != nil {
			return errDone
		}
		im.view.trouble(partTarget, err)
		if wait(ctx, pause) != nil {
			return errDone
		}
	}
	return nil
}

// errDone ends the group when ctx is done.
var errDone = errors.New("done")

func (im *Importer) openInbox(ctx context.Context) error {
	path := filepath.Join(im.cfg.DataDir, "inbox.db")
	for {
		in, found, err := wal.Open(path, wal.Options{MaxBytes: im.cfg.InboxBytes, Log: im.logger})
		if err == nil {
			im.inbox = in
			im.view.open(in)
			if found.Damaged() {
				im.logger.Warn("the inbox was damaged, what is missing is asked for again", "found", found.String())
			}
			return nil
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return inboxTrouble(err)
		}
		im.logger.Error("the inbox cannot be opened", "cause", err.Error())
		if wait(ctx, 5*time.Second) != nil {
			return errDone
		}
	}
}

// reopenInbox opens the inbox anew after a failure of its file. What was not
// acknowledged is delivered again.
func (im *Importer) reopenInbox(ctx context.Context, cause error) error {
	im.logger.Warn("the inbox failed and is opened again", "cause", cause.Error())
	if err := im.inbox.Close(); err != nil {
		im.logger.Warn("the failed inbox was not closed cleanly", "cause", err.Error())
	}
	return im.openInbox(ctx)
}

// inboxTrouble explains an error of the inbox.
func inboxTrouble(err error) error {
	switch {
	case errors.Is(err, wal.ErrLocked):
		return fault.New(fault.General, "stop the other importer, or give this one a data directory of its own", "the inbox is in use: %w", err)
	case errors.Is(err, syscall.ENOSPC):
		return fault.New(fault.General, "free space on the disk of the data directory; the importer goes on by itself", "the disk is full: %w", err)
	case errors.Is(err, wal.ErrFormat):
		return fault.New(fault.General, "run the version of syncer that wrote it, or remove the file: what it holds is asked for again", "the inbox cannot be read: %w", err)
	default:
		return fault.New(fault.General, "check the data directory and its disk; removing inbox.db loses nothing but time", "the inbox failed: %w", err)
	}
}

// report publishes the status when it changes and at every heartbeat.
func (im *Importer) report(ctx context.Context) error {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	var last verdict
	for {
		s := im.Status()
		if now := (verdict{s.State, s.Reason, s.Try}); now.state != last.state || now.reason != last.reason {
			last = now
			im.logger.Info("state", "state", string(s.State), "reason", s.Reason, "try", s.Try, "applied", s.AppliedRevision)
		}
		if im.nc.IsConnected() {
			if err := jetstream.PutStatus(im.nc, im.cfg.Source, im.cfg.Name, s); err != nil {
				im.logger.Debug("the status was not reported", "cause", err.Error())
			}
		}
		select {
		case <-ticker.C:
		case <-im.view.changed:
		case <-ctx.Done():
			return errDone
		}
	}
}

// sessions runs one session after another.
func (im *Importer) sessions(ctx context.Context) error {
	if err := im.reach(ctx); err != nil {
		return err
	}
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		err := im.session(ctx)
		im.view.detach()
		if errors.Is(err, wal.ErrFailed) {
			err = im.reopenInbox(ctx, err)
		}
		if ctx.Err() != nil {
			return errDone
		}
		if im.fatal(err) {
			return err
		}
		im.explain(err)
		if time.Since(began) > 10*time.Second {
			pause = 100 * time.Millisecond
		}
		if wait(ctx, pause+rand.N(pause)) != nil {
			return errDone
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// fatal reports whether another session cannot help.
func (im *Importer) fatal(err error) bool {
	var fenced *target.Fenced
	var format *change.FormatError
	var f *fault.Error
	safety := errors.As(err, &f) && f.Class == fault.Safety
	var moved *target.Moved
	if errors.As(err, &fenced) {
		im.view.trouble(partTarget, err)
	}
	return errors.As(err, &fenced) || errors.As(err, &format) || (safety && !errors.As(err, &moved))
}

// explain puts the reason why a session ended into the status.
func (im *Importer) explain(err error) {
	var f *fault.Error
	var moved *target.Moved
	var large *target.TooLarge
	var atTarget *targetError
	switch {
	case errors.As(err, &atTarget) && !errors.As(err, &moved):
		// it is told of already
	case errors.Is(err, ErrGap):
		im.view.gap()
		im.logger.Warn("attaching again", "cause", err.Error())
	case errors.As(err, &moved):
		im.target = nil
		im.logger.Warn("the target is not the one that was written last", "cause", err.Error())
	case errors.As(err, &f) && f.Class == fault.Refused:
		im.view.trouble(partPair, err)
	case errors.Is(err, jetstream.ErrFeedEnded), errors.Is(err, jetstream.ErrNoExporter):
		im.logger.Info("attaching again", "cause", err.Error())
	case dial.Retryable(err), errors.As(err, &large):
		im.view.trouble(partTarget, err)
	default:
		im.logger.Warn("attaching again", "cause", err.Error())
	}
}

// targetError is one of the target's, whatever class it has.
type targetError struct{ error }

func (e *targetError) Unwrap() error { return e.error }

// prepare brings the importer in front of its target: it claims the cursor
// and knows the digest of what the target holds.
func (im *Importer) prepare(ctx context.Context, p profile) (*applier, error) {
	im.closeSight()
	a := &applier{im: im, ranges: p.Ranges, rules: p.Rules, policy: p.Policy, wrote: time.Now(), merging: make(map[string]struct{})}
	cursor, modRev, err := im.claim(ctx, p)
	if err != nil {
		if ctx.Err() == nil {
			im.view.trouble(partTarget, err)
		}
		return nil, &targetError{err}
	}
	a.target, a.cursor, a.modRev, a.position = im.target, cursor, modRev, cursor.Revision
	a.auditor = im.auditor
	a.next = im.inbox.First()
	a.place, a.keep = place{chain: a.cursorChain(), seq: cursor.Seq, behind: a.next}, a.next
	a.seen = a.chain
	if im.parked == nil || im.stale.Load() || im.modRev != modRev {
		if err := im.look(ctx, a); err != nil {
			return nil, err
		}
		im.stale.Store(false)
	} else {
		a.table, a.tally, a.parked = im.table, im.tally, im.parked
	}
	im.orders.requeue()
	for _, c := range im.orders.all() {
		im.view.task(command.Task{ID: c.ID, Verb: c.Verb, State: command.Waiting})
	}
	im.view.tier(im.target.Tier())
	im.view.committed(a.cursor)
	im.view.trouble(partTarget, nil)
	if a.lost = cursor.Seen; a.lost > 0 {
		a.open(ctx, cursor.Seen)
	}
	return a, nil
}

// closeSight ends the watch of the target, if one runs.
func (im *Importer) closeSight() {
	im.sight.close()
	im.sight = nil
}

// look reads what is parked at the target. What else the target holds is read
// when it is needed. Groups that are not what the cursor says of them are left
// from before its last write, which a crash cut off from them: a comparison
// clears them up.
func (im *Importer) look(ctx context.Context, a *applier) error {
	var groups []target.Parked
	err := a.patiently(ctx, func() (err error) {
		groups, err = im.target.Parked(ctx)
		return err
	})
	if err != nil {
		return err
	}
	a.parked = newParked(groups)
	im.view.park(a.parked)
	if a.cursor.Consistent && a.cursor.Parked != len(a.parked.keys) {
		im.logger.Warn("the parked groups are not those of the cursor", "keys", len(a.parked.keys), "want", a.cursor.Parked)
		return a.setConsistent(ctx, false)
	}
	return nil
}

// release keeps what the next session can use of an applier.
func (im *Importer) release(a *applier) {
	im.table, im.tally, im.parked = a.table, a.tally, a.parked
	im.auditor, im.modRev = a.auditor, a.modRev
}

// claim opens the target for the profile's ranges and takes its cursor over,
// or, when that is done already, reads it.
func (im *Importer) claim(ctx context.Context, p profile) (target.Cursor, int64, error) {
	if im.target != nil {
		cursor, _, modRev, err := im.target.Load(ctx)
		if err != nil || sameRanges(im.ranges, p.Ranges) {
			return cursor, modRev, err
		}
	}
	key := target.CursorKey{Source: im.cfg.Source, Channel: im.cfg.Channel}
	ranges, err := im.owned(ctx, key, p.Ranges)
	if err != nil {
		return target.Cursor{}, 0, err
	}
	t, err := im.cluster.Open(ctx, key, ranges, im.limits)
	if err != nil {
		return target.Cursor{}, 0, err
	}
	cursor, modRev, err := t.Claim(ctx, im.cfg.Instance, func(c target.Cursor, found bool) (target.Cursor, error) {
		if !found {
			im.logger.Info("the target has no cursor: everything is compared")
		}
		return c, nil
	})
	if err != nil {
		return target.Cursor{}, 0, fmt.Errorf("claim the target: %w", err)
	}
	im.target, im.ranges, im.limits = t, p.Ranges, t.Limits()
	im.stale.Store(true)
	return cursor, modRev, nil
}

// owned are the ranges that may be written to: those of the policy, and those
// of an older one that are not cleaned up yet.
func (im *Importer) owned(ctx context.Context, key target.CursorKey, ranges []change.Range) ([]change.Range, error) {
	t, err := im.cluster.Open(ctx, key, nil, im.limits)
	if err != nil {
		return nil, err
	}
	im.limits = t.Limits()
	cursor, _, _, err := t.Load(ctx)
	if err != nil {
		return nil, err
	}
	return union(cursor.Holds, ranges), nil
}

func sameRanges(a, b []change.Range) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].String() != b[i].String() {
			return false
		}
	}
	return true
}
