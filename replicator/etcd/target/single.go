package target

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/dial"
	"github.com/syncer-io/syncer/replicator/fault"
)

// SingleKeys describes a server that changes one key in a transaction, and no
// more.
type SingleKeys struct {
	// Tier is the name of what such a target can give.
	Tier string
	// Limit is the most bytes that a request may have.
	Limit int
	// Unfit says why the server cannot keep a key, "" when it can.
	Unfit func(key []byte) string
	// Readable gives the parts of a range, in order, that the server can be
	// asked about. No key that fits lies outside of them.
	Readable func(r change.Range) []change.Range
}

// WithSingleKeys has the target write key by key: each while nobody else wrote
// it since it was read, and the cursor when all are in place. A write that is
// done already is not made again, so that a commit which did not come to its
// end is made again as a whole.
//
// Such a commit is not atomic. A reader may see some of its keys without the
// others, and so may whoever writes after a crash, until the commit is made
// again: Cursor.Ahead says so beforehand. A writer that was fenced after the commit began notices that after
// fenceEvery keys, or at the cursor.
//
// What differs of Commit: a key that somebody else writes while the commit is
// under way may end it with [*Dirty] after other keys were written, which are
// then known for our own.
func WithSingleKeys(s SingleKeys) Option { return func(t *Target) { t.single = &s } }

// fenceEvery is after how many keys the cursor is read again.
const fenceEvery = 100

// Unfit says that the server cannot keep a key. It counts as [ErrForbidden]:
// Refused tells which keys they are.
type Unfit struct {
	Key []byte
	Why string
}

func (e *Unfit) Error() string { return fmt.Sprintf("key %q cannot be kept: %s", e.Key, e.Why) }

// Is makes Unfit a refusal.
func (e *Unfit) Is(err error) bool { return err == ErrForbidden }

// tryUnfit is the remedy.
const tryUnfit = "change the policy's mapping, or exclude the key"

// errUnwritten says that the server answered a write, and did not make it.
var errUnwritten = fault.New(fault.Check, "look at the log of the server and at its disk; the write is made again", "the target did not make a write, and names no reason")

// commitSingle is commit for such a server. It gives the revision of the last
// write, or that of the target when there was nothing to write.
func (t *Target) commitSingle(ctx context.Context, changes []change.Change, guards []*pb.Compare, cursor []byte) (int64, error) {
	var rev int64
	var err error
	keys := func() (int64, error) { return t.commitKeys(ctx, changes, boundsOf(guards)) }
	if cursor == nil {
		rev, err = t.marked(ctx, changes, keys)
	} else if _, err = keys(); err == nil {
		rev, err = t.writeCursor(ctx, cursor)
	}
	if err != nil {
		return 0, fmt.Errorf("commit %d changes: %w", len(changes), err)
	}
	return rev, nil
}

// bounds are, of the keys that are guarded, the revisions above which nobody
// else may have written them.
type bounds map[string]int64

func boundsOf(guards []*pb.Compare) bounds {
	b := make(bounds, len(guards))
	for _, g := range guards {
		b[string(g.Key)] = g.GetModRevision() - 1
	}
	return b
}

// carry keeps what an earlier commit announced, until the cursor has passed it.
// A target that is not consistent says nothing of its keys anyway.
func (t *Target) carry(c Cursor) Cursor {
	if c.Lineage == t.last.Lineage {
		c.Ahead = max(c.Ahead, t.last.Ahead)
	}
	if c.Ahead <= c.Revision || !c.Consistent {
		c.Ahead = 0
	}
	return c
}

// announce says in the cursor, before the first key is written, what is written,
// and up to where keys may be ahead of it from now on. It fences, too: the keys
// are written by nobody who does not own the cursor.
func (t *Target) announce(ctx context.Context, changes []change.Change, next Cursor) error {
	told := tokens(changes)
	c := t.last
	if len(told) == 0 || c.Format == 0 || !t.guard.loaded || t.guard.pending != nil {
		return nil
	}
	if err := t.fitting(changes); err != nil {
		return err
	}
	if c.Consistent && c.Lineage == next.Lineage && next.Revision > c.Revision {
		c.Ahead = max(c.Ahead, next.Revision)
	}
	c.Updated = next.Updated
	raw, err := t.encode(c, told)
	if err != nil {
		return err
	}
	rev, err := t.writeCursor(ctx, raw)
	t.moved(c, raw, rev, err)
	if err != nil {
		return fmt.Errorf("announce %d changes: %w", len(changes), err)
	}
	return nil
}

func (t *Target) commitKeys(ctx context.Context, changes []change.Change, b bounds) (int64, error) {
	if err := t.fitting(changes); err != nil {
		return 0, err
	}
	changes = inSteps(changes)
	rev, err := t.stillOurs(ctx)
	if err != nil {
		return 0, err
	}
	held, err := t.holdings(ctx, changes, b)
	if err != nil {
		return 0, err
	}
	for i, c := range changes {
		if i%fenceEvery == fenceEvery-1 {
			if _, err := t.stillOurs(ctx); err != nil {
				return 0, err
			}
		}
		wrote, err := t.writeKey(ctx, c, held[i], b)
		if err != nil {
			return 0, err
		}
		rev = max(rev, wrote)
	}
	return rev, nil
}

// fitting refuses, before anything is written, what the server would.
func (t *Target) fitting(changes []change.Change) error {
	for _, c := range changes {
		if why := t.single.Unfit(c.Key); why != "" {
			return fault.New(fault.Check, tryUnfit, "%w", &Unfit{Key: c.Key, Why: why})
		}
		if n := t.needs(c); n > t.limits.MaxBytes {
			return tooLargeFor(n, t.limits.MaxBytes, 1)
		}
	}
	return nil
}

// needs bounds the bytes of the request that makes a change.
func (t *Target) needs(c change.Change) int {
	if releases(c) {
		c = change.Change{Key: t.marker(c.Key)}
	}
	return t.overhead() + 64 + Size(c) + 2*len(c.Key)
}

// inSteps gives the changes in an order in which a crash between two of them
// loses nothing: a released key is what was written to it before its marker
// goes, and a parked group is there anew before the pages of the old one go.
func inSteps(changes []change.Change) []change.Change {
	step := func(c change.Change) int {
		switch {
		case !strings.HasPrefix(string(c.Key), Prefix):
			return 0
		case c.Op == change.Put:
			return 1
		default:
			return 2
		}
	}
	out := slices.Clone(changes)
	slices.SortStableFunc(out, func(a, b change.Change) int { return step(a) - step(b) })
	return out
}

// stillOurs reads the cursor, and gives the revision at which it is still the
// one that we insist on.
func (t *Target) stillOurs(ctx context.Context) (int64, error) {
	now, err := t.read(ctx)
	if err != nil {
		return 0, err
	}
	if now.modRev != t.guard.modRev {
		return 0, t.lost(now)
	}
	return now.at, nil
}

// holding is what is known of a key before it is written.
type holding struct {
	known bool
	done  bool  // it is as the change wants it
	mod   int64 // 0 when it does not exist
}

func holds(c change.Change, kv *valueAt) holding {
	if kv == nil {
		return holding{known: true, done: c.Op == change.Delete}
	}
	return holding{known: true, done: c.Op == change.Put && string(kv.value) == string(c.Value), mod: kv.modRev}
}

// holdings reads the keys that are guarded, before the first is written. Others
// are read by their write.
func (t *Target) holdings(ctx context.Context, changes []change.Change, b bounds) ([]holding, error) {
	held := make([]holding, len(changes))
	if len(b) == 0 {
		return held, nil
	}
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(askAtOnce)
	for i, c := range changes {
		reading.Go(func() (err error) {
			held[i], err = t.look(ctx, c, b)
			return err
		})
	}
	return held, reading.Wait()
}

// look reads a key and holds its revision against the guard.
func (t *Target) look(ctx context.Context, c change.Change, b bounds) (holding, error) {
	kv, err := t.getAt(ctx, string(c.Key), 0)
	if err != nil {
		return holding{}, err
	}
	h := holds(c, kv)
	return h, t.guardKey(c, h, b)
}

// guardKey fails when somebody else wrote, unseen, what the change would write
// over: above what its bound says, or above what Watch has told.
func (t *Target) guardKey(c change.Change, h holding, b bounds) error {
	bound, guarded := b[string(c.Key)]
	if !guarded || h.done || t.spans.has(h.mod) {
		return nil
	}
	if told := t.told.Load(); told != 0 {
		bound = min(bound, told)
	}
	if h.mod > bound {
		return &Dirty{Revision: h.mod}
	}
	return nil
}

// writeKey makes one change, and gives its revision: that of an earlier write
// when the key is already as it should be, 0 when it does not exist as it should
// not.
func (t *Target) writeKey(ctx context.Context, c change.Change, h holding, b bounds) (int64, error) {
	pause := newPause()
	sent := false // a write whose outcome is not known
	for {
		if !h.known && (sent || c.Op == change.Delete) {
			var err error
			if h, err = t.look(ctx, c, b); err != nil {
				return 0, err
			}
		}
		if h.done {
			if sent {
				t.spans.add(h.mod)
			}
			return h.mod, nil
		}
		rev, now, err := t.swap(ctx, c, h.mod)
		switch {
		case err == nil && now == nil:
			return rev, nil
		case err == nil && now.mod != h.mod:
			h = *now
			if err := t.guardKey(c, h, b); err != nil {
				return 0, err
			}
			continue
		case err == nil:
			return 0, errUnwritten
		case ctx.Err() != nil || !dial.OutcomeUnknown(err):
			return 0, t.explain(err, string(c.Key))
		}
		sent, h = true, holding{}
		if err := wait(ctx, pause); err != nil {
			return 0, t.unknown(ctx, nil, err)
		}
	}
}

// swap makes one change if the key's mod revision is still mod. Otherwise it
// gives what the key is now.
//
// Watch must not take the write for that of somebody else: it waits for the
// answer.
func (t *Target) swap(ctx context.Context, c change.Change, mod int64) (int64, *holding, error) {
	t.writing.RLock()
	defer t.writing.RUnlock()
	before := t.seen.Load()
	resp, err := t.change(ctx, swapRequest(c.Key, mod, opOf(c)))
	if err != nil {
		if tooLarge(err) {
			err = tooLargeFor(t.needs(c), t.limits.MaxBytes, 1)
		}
		return 0, nil, err
	}
	t.saw(resp.Header.Revision)
	switch rev := resp.Header.Revision; {
	case resp.Succeeded && rev <= before && c.Op == change.Put:
		return 0, &holding{known: true, mod: mod}, nil // kine says so of a creation that failed
	case resp.Succeeded:
		t.spans.add(rev)
		return rev, nil, nil
	}
	now := holds(c, firstOf(resp))
	return 0, &now, nil
}

// swapRequest is the one form of write that such servers know: a key, its mod
// revision, and what is done to it; or else it is read.
func swapRequest(key []byte, mod int64, op *pb.RequestOp) *pb.TxnRequest {
	return &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: key, Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: mod},
		}},
		Success: []*pb.RequestOp{op},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}}},
	}
}

func firstOf(resp *pb.TxnResponse) *valueAt {
	if len(resp.Responses) == 0 || len(resp.Responses[0].GetResponseRange().GetKvs()) == 0 {
		return nil
	}
	kv := resp.Responses[0].GetResponseRange().Kvs[0]
	return &valueAt{value: kv.Value, modRev: kv.ModRevision}
}

// writeCursor writes the cursor while it is the one that we insist on.
func (t *Target) writeCursor(ctx context.Context, cursor []byte) (int64, error) {
	if n := proto.Size(swapRequest(nil, 0, putOp(nil, cursor))) + t.overhead(); n > t.limits.MaxBytes {
		return 0, tooLargeFor(n, t.limits.MaxBytes, 1)
	}
	c := change.Change{Op: change.Put, Key: []byte(t.key.String()), Value: cursor}
	pause := newPause()
	for {
		rev, now, err := t.swap(ctx, c, t.guard.modRev)
		switch {
		case err == nil && now == nil:
			return rev, nil
		case err == nil && now.done:
			return now.mod, nil // an earlier sending took effect
		case err == nil && now.mod == t.guard.modRev:
			return 0, errUnwritten
		case err == nil:
			_, err := t.stillOurs(ctx)
			return 0, cmp.Or(err, errUnwritten)
		}
		failed := err
		rev, landed, err := t.settle(ctx, cursor, pause)
		if landed || err != nil {
			return rev, err
		}
		if !dial.OutcomeUnknown(failed) {
			return 0, t.explain(failed, t.key.String())
		}
		if err := wait(ctx, pause); err != nil {
			return 0, t.unknown(ctx, cursor, err)
		}
	}
}
