package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

// chunk replaces one range by its content at the source. Several chunks are
// written at a time; whatever comes after them in the stream waits for them.
// Nothing is deleted yet: whether that may be is decided when all is here. raw is
// the memory that the chunk shares.
func (a *applier) chunk(ctx context.Context, f taken, c change.Chunk, raw []byte) error {
	d, ok := a.comparison.answered(f.Request, c.Range)
	if !ok || a.comparison.dry {
		return nil
	}
	a.im.pace.move() // a task that waits for a repair waits for it to come on
	if err := a.flush(ctx); err != nil {
		return err
	}
	if a.writes == nil {
		a.writes = new(writes)
		a.writes.group.SetLimit(chunkWriters)
	}
	front, waits := a.comparison.front, len(a.parked.in(c.Range)) > 0
	job := a.replacement(c, d)
	a.writes.group.Go(func() error {
		clean, err := a.replace(ctx, job)
		if err != nil {
			return err
		}
		front.wrote(job.Range)
		if clean && !waits {
			a.spares.give(raw)
		}
		return nil
	})
	if t := a.comparison.task; t != nil {
		t.arrived(a, d.Bytes)
	}
	a.remember()
	if err := a.rejoined(ctx); err != nil {
		return err
	}
	a.im.view.comparing(&a.comparison)
	return a.settleRanges(ctx)
}

// writes are chunks that are being written, and what came of those that are.
type writes struct {
	group errgroup.Group

	mu       sync.Mutex
	put      uint64
	revs     []int64 // of the target
	deletes  [][]byte
	refused  []change.Change
	rejected []rejection
	away     []change.Change // not accepted here
	mine     []change.Change // of keys that the edge has otherwise
	written  []written       // what was put, not before the revision
}

// replacement is what the target should hold in a chunk's range. Keys that are
// parked stay as they are while the source still has of them what it had when
// they were parked.
func (a *applier) replacement(c change.Chunk, d digest.Difference) target.Chunk {
	job := target.Chunk{Range: c.Range, Want: c.KVs, Refuse: a.im.cfg.Accept.refusesPut, Mine: a.mine(), Hold: true, Newest: a.newest(c.KVs)}
	kept := func(digest.Sum) bool { return false }
	if c.Sparse {
		kept = digest.Kept(d.Prints, a.comparison.slot, c.Gone)
	}
	stays := a.staying(c, kept)
	if len(stays) > 0 {
		job.Want = without(c.KVs, stays)
	}
	if c.Sparse || len(stays) > 0 {
		job.Keep = func(local change.KV) bool {
			_, parked := stays[string(local.Key)]
			return parked || c.Sparse && kept(digest.Item(local.Key, local.Value))
		}
	}
	return job
}

func without(kvs []change.KV, keys map[string]struct{}) []change.KV {
	var out []change.KV
	for _, kv := range kvs {
		if _, ok := keys[string(kv.Key)]; !ok {
			out = append(out, kv)
		}
	}
	return out
}

// replace writes one chunk. Values that the target refuses for ever are set
// aside; the rest of the chunk is written. It is clean when nothing was set aside:
// nothing refers to the chunk any more.
func (a *applier) replace(ctx context.Context, job target.Chunk) (clean bool, err error) {
	failpoint.Hit(failpoint.ChunkReplaceBefore)
	clean = true
	err = a.offer(ctx, func() error {
		done, err := a.target.Replace(ctx, job)
		a.writes.took(a, done)
		clean = clean && err == nil && len(done.Refused)+len(done.Mine) == 0
		return err
	})
	var d *target.Dirty
	if refusal(err) || errors.As(err, &d) {
		err = a.replaceOneByOne(ctx, job)
	}
	if a.writes.reject(job, err) {
		err = nil
	}
	if err != nil {
		a.im.stale.Store(true)
		return false, fmt.Errorf("replace %v: %w", job.Range, err)
	}
	failpoint.Hit(failpoint.ChunkReplaceAfter)
	return clean, nil
}

// newest is, for what a chunk brings, up to where writes of others are known. nil
// when the edge keeps none of its own.
func (a *applier) newest(kvs []change.KV) func(key []byte) int64 {
	if a.sight == nil || !slices.ContainsFunc(kvs, func(kv change.KV) bool { return a.protects([]change.Change{{Key: kv.Key}}) }) {
		return nil
	}
	seen, ours := a.sight.seen, make(map[string]int64) // the chunk is written while these go on
	for _, kv := range kvs {
		if at := a.sight.newest(kv.Key); at > seen {
			ours[string(kv.Key)] = at
		}
	}
	return func(key []byte) int64 { return max(seen, ours[string(key)]) }
}

// replaceOneByOne writes what is left of a chunk key by key, and sets aside
// what the target refuses. A key that the edge wrote meanwhile differs at the next
// comparison, when that is decided about.
func (a *applier) replaceOneByOne(ctx context.Context, job target.Chunk) error {
	plan, err := a.target.Diff(ctx, job)
	if err != nil {
		return err
	}
	for _, kv := range plan.Put {
		put := []change.Change{{Op: change.Put, Key: kv.Key, Value: kv.Value}}
		var rev int64
		err := a.offer(ctx, func() (err error) {
			rev, err = a.target.Commit(ctx, target.Tx{Changes: put, Newest: job.Newest})
			return err
		})
		var d *target.Dirty
		switch {
		case errors.As(err, &d), a.writes.reject(job, err):
		case refusal(err):
			a.writes.refuse(put[0])
		case err != nil:
			return err
		default:
			a.writes.took(a, target.Replaced{Put: []change.KV{kv}, Revisions: []int64{rev}})
		}
	}
	a.writes.took(a, target.Replaced{Deleted: plan.Deleted, Refused: plan.Refused, Mine: plan.Mine})
	return nil
}

// took notes what was written, and which keys should go.
func (w *writes) took(a *applier, done target.Replaced) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kv := range done.Put {
		a.wrotePut(kv.Key, digest.Item(kv.Key, kv.Value))
	}
	w.put += uint64(len(done.Put))
	for _, kv := range done.Refused {
		w.away = append(w.away, change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value})
	}
	for _, kv := range done.Mine {
		w.mine = append(w.mine, change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value})
	}
	if a.sight != nil && len(done.Revisions) > 0 {
		put := written{revision: slices.Min(done.Revisions)}
		for _, kv := range done.Put {
			put.keys = append(put.keys, string(kv.Key))
		}
		w.written = append(w.written, put)
	}
	for _, key := range done.Deleted { // which share memory with all that was read
		w.deletes = append(w.deletes, bytes.Clone(key))
	}
	w.revs = append(w.revs, done.Revisions...)
}

// reject notes what the target refused of a chunk, if that is what the error
// says: the rest of it is written.
func (w *writes) reject(job target.Chunk, err error) bool {
	if err == nil {
		return false
	}
	puts := make([]change.Change, len(job.Want))
	for i, kv := range job.Want {
		puts[i] = change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value}
	}
	no, _, ok := rejections(puts, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rejected = append(w.rejected, no...)
	return ok
}

func (w *writes) refuse(c change.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = append(w.refused, c)
}

// barrier waits for the chunks that are being written and takes over what came
// of them.
func (a *applier) barrier(ctx context.Context) error {
	w := a.writes
	if w == nil {
		return nil
	}
	err := w.group.Wait()
	a.writes = nil
	if t := a.comparison.task; t != nil {
		t.put += w.put
	}
	for _, key := range w.deletes {
		a.comparison.hold(key)
	}
	for _, rev := range w.revs {
		a.auditor.wrote(rev, 0)
	}
	a.auditor.keys += int(w.put)
	for _, put := range w.written {
		a.sight.wrote(a.notBefore(put.revision), put.keys)
	}
	if err != nil {
		return err
	}
	if err := a.claimed(ctx, w.mine); err != nil {
		return err
	}
	if len(w.away) > 0 {
		if err := a.turnAway(ctx, w.away); err != nil {
			return err
		}
	}
	if len(w.rejected) > 0 {
		if err := a.parkRejected(ctx, w.rejected, a.position); err != nil {
			return err
		}
	}
	if len(w.refused) > 0 {
		return a.refuseEach(ctx, w.refused)
	}
	return a.parked.saveGone(ctx, a)
}

// hold keeps a delete until it is decided about.
func (c *comparison) hold(key []byte) {
	if c.deletes != nil {
		c.deletes[string(key)] = struct{}{}
	}
}

// refusal reports whether a target says no for a reason that may lie in the
// change.
func refusal(err error) bool {
	var large *target.TooLarge
	return errors.As(err, &large) || errors.Is(err, target.ErrForbidden) || errors.Is(err, target.ErrRefused)
}
