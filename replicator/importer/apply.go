package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/wal"
)

const (
	// readBytes is how much of the inbox is taken at a time.
	readBytes = 512 << 10
	// chunkWriters is how many chunks are written at a time.
	chunkWriters = 3
	// refreshCursor is how old the cursor may get on an idle channel before
	// it is written again, so that it stays within the stream's history.
	refreshCursor = time.Minute
	// keepBytes is how much of the inbox is kept behind the cursor until the
	// cursor is written again.
	keepBytes = 256 << 10
)

// applier takes frames from the inbox and writes them to the target. One
// goroutine runs it at a time.
type applier struct {
	im     *Importer
	target Target
	table  *digest.Table // of what the target holds; see parked for the exceptions
	tally  *digest.Tally
	parked *parked
	ranges []change.Range
	rules  []filter.RuleInfo
	policy string

	cursor   target.Cursor // as the target holds it
	modRev   int64         // at which the target holds it
	position int64         // no change at or below it is missing; at least cursor.Revision
	place                  // newest frame that is applied completely, or pending
	before   place         // the frame before those that are pending
	seen     change.Hash   // newest chained message that was taken
	synced   bool          // frames follow the cursor; before, old ones are skipped

	parts   assembly
	pending []change.Changeset
	size    int
	next    uint64 // number of the next inbox record to take
	keep    uint64 // the inbox record behind the frame that the cursor names
	kept    int    // bytes of the records from keep on that were taken
	sent    time.Time
	wrote   time.Time // when the cursor was last written or read

	comparison comparison
	writes     *writes // chunks that are being written
	spares     spares
	torn       *step // the revision that comes in parts
	auditor    auditor

	sight     *sight              // of what others write; nil while nobody looks
	lost      int64               // up to where others were seen before the sight was lost; 0: never
	sightless bool                // the target tells of no writes of others
	merging   map[string]struct{} // keys that get another value than the source's
	notes     []ledger.Record     // decisions that are not on record yet
	rejoin    []change.Change     // what a chunk has of keys that the edge changed
	tidied    bool                // what the policy of this session asks for is done
}

// place names a frame.
type place struct {
	chain  change.Hash
	seq    uint64
	behind uint64 // the inbox record behind it
}

// run applies until something fails. With drain it returns nil when the inbox
// is empty. On return no chunk is being written any more.
func (a *applier) run(ctx context.Context, drain bool) (err error) {
	defer func() { err = errors.Join(err, a.barrier(ctx)) }()
	for {
		if err := a.expire(); err != nil {
			return err
		}
		if err := a.obey(ctx); err != nil {
			return err
		}
		if !drain { // before anything is applied, also when it was just resumed
			if err := a.tidy(ctx); err != nil {
				return err
			}
		}
		if err := a.notice(ctx); err != nil {
			return err
		}
		if a.cursor.Paused {
			if drain {
				return nil
			}
			if err := a.idle(ctx); err != nil {
				return err
			}
			continue
		}
		records, err := a.im.inbox.Read(a.next, readBytes)
		if err != nil {
			return fmt.Errorf("read the inbox: %w", err)
		}
		for _, r := range records {
			if err := a.take(ctx, r); err != nil {
				return err
			}
			a.next = r.Seq + 1
			a.kept += len(r.Data)
		}
		if err := a.settle(ctx); err != nil {
			return err
		}
		if err := a.comparison.advance(ctx, a); err != nil {
			return err
		}
		if err := a.retryDue(ctx); err != nil {
			return err
		}
		if len(records) > 0 {
			continue
		}
		if drain {
			return nil
		}
		if err := a.await(ctx); err != nil {
			return err
		}
	}
}

// await waits for the next record, command, or write of others, or until
// something may be tried again.
func (a *applier) await(ctx context.Context) error {
	waiting, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer stop()
		_ = a.stir(waiting) // the error is that of the context, which Wait gives as well
	}()
	err := a.im.inbox.Wait(waiting, a.next)
	stop()
	<-done
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stir waits for the next command, or write of others, or until something may be
// tried again.
func (a *applier) stir(ctx context.Context) error {
	var batches <-chan glimpse
	s := a.sight
	if s != nil && !a.cursor.Paused { // a paused edge deals with none
		if s.first != nil || s.ended {
			return nil
		}
		batches = s.batches
	}
	due, stop := a.due()
	defer stop()
	select {
	case g, ok := <-batches:
		s.received(g, ok)
		return nil
	case <-due:
		return nil
	case <-a.im.orders.come:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// idle waits for the next command, or until the time of a task is over.
func (a *applier) idle(ctx context.Context) error {
	due, stop := a.due()
	defer stop()
	select {
	case <-due:
		return nil
	case <-a.im.orders.come:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle writes what is pending and lets the inbox forget what is applied.
// Parts of a frame that is not complete stay, and so does what came after the
// frame that the cursor names: without it an importer that starts while the
// hub is away could not tell that what follows in the inbox follows the cursor.
//
// Chunks that are still being written are forgotten too, and not waited for: a
// repair that starts over compares again, and takes no chunk of an older one.
func (a *applier) settle(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	done := a.next
	if a.parts.open() {
		done = a.parts.first
	}
	if a.cursor.Consistent {
		if a.kept > keepBytes {
			if err := a.refresh(ctx); err != nil {
				return err
			}
		}
		done = min(done, a.keep)
	}
	failpoint.Hit(failpoint.TruncateBefore)
	err := a.im.inbox.TruncateBelow(done)
	failpoint.Hit(failpoint.TruncateAfter)
	a.im.view.applied(a.position, a.sent, a.next)
	return err
}

// refresh writes the cursor where the target stands.
func (a *applier) refresh(ctx context.Context) error {
	cursor := a.cursor
	cursor.Revision = a.position
	a.stand(&cursor)
	return a.commit(ctx, nil, cursor)
}

// take handles one record of the inbox.
func (a *applier) take(ctx context.Context, r wal.Record) error {
	seq, message, err := decodeRecord(r.Data)
	if err != nil {
		return err
	}
	f, err := change.DecodeFrame(message)
	if err != nil {
		return fmt.Errorf("inbox record %d: %w", r.Seq, err)
	}
	hash := change.HashOf(message)
	if f.Kind.Chained() {
		if !a.synced && f.PrevHash != a.cursorChain() {
			return nil // applied before the restart, or another history
		}
		a.synced, a.seen = true, hash
	}
	body, whole, err := a.parts.join(f, r.Seq)
	if err != nil || !whole {
		return err
	}
	var room []byte
	if f.Kind == change.KindChunk {
		room = a.spares.take()
	}
	raw, err := change.DecompressInto(room, body)
	if err == nil {
		a.im.view.shrank(len(raw), len(body))
		err = a.handle(ctx, taken{Frame: f, hash: hash, seq: seq, record: r.Seq}, raw)
	}
	if errors.Is(err, change.ErrMalformed) && !f.Kind.Chained() {
		a.im.logger.Warn("what was asked for cannot be read, as if it had not come", "kind", f.Kind.String(), "sequence", seq, "cause", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("%v of revisions %d to %d at sequence %d: %w", f.Kind, f.First, f.Last, seq, err)
	}
	return nil
}

// taken is a frame with the hash, the sequence and the inbox record of its
// last message.
type taken struct {
	change.Frame
	hash   change.Hash
	seq    uint64
	record uint64
}

// advance notes that a chained frame is applied, or will be with the next
// flush.
func (a *applier) advance(f taken) {
	a.place, a.sent = place{chain: f.hash, seq: f.seq, behind: f.record + 1}, f.Sent
	if !f.Open {
		a.position = f.Last
	}
}

func (a *applier) cursorChain() (h change.Hash) {
	copy(h[:], a.cursor.Chain)
	return h
}

func (a *applier) handle(ctx context.Context, f taken, raw []byte) error {
	switch f.Kind {
	case change.KindChanges:
		sets, err := change.DecodeChanges(raw)
		if err != nil {
			return err
		}
		if err := a.changes(ctx, sets); err != nil {
			return err
		}
		a.advance(f)
		return nil
	case change.KindHeartbeat:
		state, err := change.DecodeState(raw)
		if err != nil {
			return err
		}
		return a.heartbeat(ctx, f, state)
	case change.KindReset:
		state, err := change.DecodeState(raw)
		if err != nil {
			return err
		}
		return a.reset(ctx, f, state)
	case change.KindPage:
		page, err := change.DecodePage(raw)
		if err != nil {
			return err
		}
		return a.page(ctx, f, page)
	case change.KindFinding:
		found, err := change.DecodeFinding(raw)
		if err != nil {
			return err
		}
		return a.finding(ctx, f, found)
	case change.KindCommand:
		return nil // the receiver took it
	default:
		chunk, err := change.DecodeChunk(raw)
		if err != nil {
			return err
		}
		return a.chunk(ctx, f, chunk, raw)
	}
}

// changes collects changesets for the next transaction. Those that the target
// holds already, because the edge stopped within their frame, are left out.
func (a *applier) changes(ctx context.Context, sets []change.Changeset) error {
	for _, s := range sets {
		torn := s.Partial || a.cursor.Torn != 0
		if a.holds(s) {
			continue
		}
		if torn {
			if err := a.flush(ctx); err != nil {
				return err
			}
			if err := a.tearGuarded(ctx, s); err != nil {
				return err
			}
			continue
		}
		s, err := a.guarded(ctx, s, nil)
		if err != nil {
			return err
		}
		if s, err = a.screened(ctx, s); err != nil {
			return err
		}
		if len(a.pending) == 0 {
			a.before = a.place
		}
		a.pending = append(a.pending, s)
		if a.size += s.Size(); a.size >= a.target.Together() {
			if err := a.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds reports whether the target holds a changeset already. While it stands
// within a torn revision, that includes every revision before that one.
func (a *applier) holds(s change.Changeset) bool {
	switch c := a.cursor; {
	case s.Revision < c.Revision, s.Revision < c.Torn:
		return true
	default:
		return s.Revision == c.Revision && !s.Partial && c.Torn == 0
	}
}

// flush writes the pending changesets in one transaction, each key with the
// last value it got, and the cursor at the last of them.
func (a *applier) flush(ctx context.Context) error {
	if len(a.pending) == 0 {
		return nil
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	changes := target.Fold(a.pending)
	if a.meets(changes) || a.sight != nil && len(changes) > a.target.Guardable() && a.protects(changes) {
		return a.flushOneByOne(ctx)
	}
	last := a.pending[len(a.pending)-1]
	cursor := a.cursor
	cursor.Revision, cursor.Torn = last.Revision, 0
	a.stand(&cursor)
	err := a.commit(ctx, changes, cursor)
	if refusal(err) {
		return a.flushOneByOne(ctx)
	}
	if dirty, err := a.dirty(ctx, err); dirty && err == nil {
		return a.flush(ctx)
	} else if err != nil {
		return err
	}
	a.forget()
	return nil
}

// flushOneByOne writes each pending changeset by itself. One that the target
// will never take is parked; one that is too large is applied in parts; of one
// that meets changes of the edge it is written what is decided. Until the last
// one is in place the cursor names the frame before all of them: the newest
// frame may hold some of the others.
func (a *applier) flushOneByOne(ctx context.Context) error {
	sets, newest := a.pending, a.place
	a.place = a.before
	for i := 0; i < len(sets); i++ {
		if i == len(sets)-1 {
			a.place = newest
		}
		dirty, err := a.dirty(ctx, a.flushOne(ctx, sets[i]))
		if err != nil {
			return err
		}
		if dirty {
			i-- // it is decided about anew
		}
	}
	a.forget()
	return nil
}

func (a *applier) flushOne(ctx context.Context, s change.Changeset) error {
	s, err := a.reconciled(ctx, s)
	if err != nil {
		return err
	}
	cursor := a.cursor
	cursor.Revision = s.Revision
	a.stand(&cursor)
	err = a.commit(ctx, target.Fold([]change.Changeset{s}), cursor)
	if refusal(err) {
		return a.overcome(ctx, s, cursor, err)
	}
	return err
}

func (a *applier) forget() {
	clear(a.pending)
	a.pending, a.size = a.pending[:0], 0
}
