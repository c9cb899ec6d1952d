package exporter

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/failpoint"
)

const (
	// chunkReads is how many chunks are read from the source at a time. Each
	// holds its range in memory.
	chunkReads = 3
	// chunkQueue bounds the ranges that wait to be read, chunkQueueBytes the
	// prints that wait with them.
	chunkQueue      = 100_000
	chunkQueueBytes = 64 << 20
	// chunkTries is how often a range is read that does not hold what the
	// index says, before the index counts as wrong.
	chunkTries = 3
)

// chunks reads key ranges that edges asked for and publishes them in the order
// of the frames.
//
// A chunk is a linearizable read at its own revision r. It is published after
// all changes at or below r and before all above it. When the channel has
// passed r before the read returned, the changes that it took since the read
// began are laid over the chunk, which then is the content at the revision of
// the newest of them. When the channel has not reached r, the chunk waits.
//
// What a chunk holds when it is published is also what the index says: so each
// chunk proves a part of the index, and an index that is wrong is made anew.
type chunks struct {
	queue   []chunkJob
	queued  int // bytes of prints in queue
	running map[*chunkRead]struct{}
	waiting []*chunkRead // read, and ahead of the channel; by revision
	results chan *chunkRead
}

type chunkJob struct {
	edge    string
	request string
	r       change.Range
	prints  digest.Prints // of what the edge holds; nothing: all is sent
	slot    int
	thin    bool      // the edge's link is slow
	deep    *deepPage // the range is only held against the index
	tries   int
}

type chunkRead struct {
	chunkJob
	since []recorded // changes that the channel took since the read began
	kvs   []change.KV
	items []digest.Sum // of kvs
	body  []byte       // the compressed chunk of kvs
	low   int64        // lowest and highest revision of its source ranges
	rev   int64
	err   error
}

type recorded struct {
	revision int64
	change   change.Change
}

func (q *chunks) add(job chunkJob) bool {
	if len(q.queue) >= chunkQueue || q.queued+len(job.prints) > chunkQueueBytes {
		return false
	}
	q.queue = append(q.queue, job)
	q.queued += len(job.prints)
	return true
}

// forget drops what an edge asked for in an earlier request.
func (q *chunks) forget(edge string) {
	q.queue = slices.DeleteFunc(q.queue, func(j chunkJob) bool {
		if j.edge == edge {
			q.queued -= len(j.prints)
		}
		return j.edge == edge
	})
}

// start begins as many reads as may run at a time. Results are sent on
// q.results, one per read, until ctx is done.
func (q *chunks) start(ctx context.Context, src Source, selection *filter.Selection) {
	if q.results == nil {
		q.results = make(chan *chunkRead, chunkReads)
		q.running = make(map[*chunkRead]struct{})
	}
	for len(q.queue) > 0 && len(q.running)+len(q.waiting) < chunkReads {
		r := &chunkRead{chunkJob: q.queue[0]}
		q.queue = q.queue[1:]
		q.queued -= len(r.prints)
		q.running[r] = struct{}{}
		go func() {
			failpoint.Hit(failpoint.ChunkReadBefore)
			r.kvs, r.low, r.rev, r.err = readChunk(ctx, src, selection, r.r)
			failpoint.Hit(failpoint.ChunkReadAfter)
			if r.err == nil {
				r.err = r.make()
			}
			q.results <- r // has room for every read that runs
		}()
	}
}

// stop waits for the reads that run. Their context is done.
func (q *chunks) stop() {
	for range q.running {
		<-q.results
	}
	q.running = nil
}

// readChunk reads the complete content of a delivered range. A range that maps
// to several source ranges is read range by range, each at its own revision:
// what changes between the lowest and the highest is laid over it.
func readChunk(ctx context.Context, src Source, selection *filter.Selection, r change.Range) (kvs []change.KV, low, high int64, err error) {
	for _, part := range selection.UnmapRange(r) {
		items, at, err := src.Read(ctx, part.Source)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("read chunk %v: %w", r, err)
		}
		if low == 0 || at < low {
			low = at
		}
		high = max(high, at)
		for _, it := range items {
			// Another rule may have it delivered elsewhere.
			out := selection.Take(it.Key, it.Value)
			if out.Verdict == filter.Selected && part.Delivered.Contains(out.Key) {
				kvs = append(kvs, change.KV{Key: out.Key, Value: out.Value})
			}
		}
	}
	if high == 0 {
		high, err = src.Current(ctx)
		low = high
	}
	return kvs, low, high, err
}

// record keeps changes for the reads that run, and for those that wait because
// one of their source ranges was read later than another.
func (q *chunks) record(revision int64, changes []change.Change) {
	for r := range q.running {
		r.record(revision, changes)
	}
	for _, r := range q.waiting {
		r.record(revision, changes)
	}
}

func (r *chunkRead) record(revision int64, changes []change.Change) {
	for _, c := range changes {
		if r.r.Contains(c.Key) {
			r.since = append(r.since, recorded{revision: revision, change: c})
		}
	}
}

// read takes a finished read.
func (c *channel) read(ctx context.Context, r *chunkRead) error {
	delete(c.chunks.running, r)
	if r.err != nil {
		return r.err
	}
	if r.rev > c.processed {
		at, _ := slices.BinarySearchFunc(c.chunks.waiting, r, func(a, b *chunkRead) int { return int(a.rev - b.rev) })
		c.chunks.waiting = slices.Insert(c.chunks.waiting, at, r)
		c.source.Nudge()
		return nil
	}
	return c.publishChunk(ctx, r)
}

// publishBelow publishes the waiting chunks whose revision is below next, the
// revision that the channel takes now.
func (q *chunks) publishBelow(ctx context.Context, c *channel, next int64) error {
	for len(q.waiting) > 0 && q.waiting[0].rev < next {
		r := q.waiting[0]
		q.waiting = q.waiting[1:]
		c.processed = max(c.processed, r.rev)
		if err := c.publishChunk(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) publishChunk(ctx context.Context, r *chunkRead) error {
	if err := c.chain.flush(ctx); err != nil {
		return err
	}
	added, err := r.addReleased(c.index)
	if err != nil {
		return err
	}
	if r.bringForward() || added {
		if err := r.make(); err != nil {
			return err
		}
	}
	switch equal, err := c.index.holds(r.r, r.kvs, r.items); {
	case err != nil:
		return err
	case !equal:
		return c.readAgain(ctx, r)
	case r.deep != nil:
		r.deep.checked(c)
		return nil
	}
	failpoint.Hit(failpoint.ChunkPublishBefore)
	if err := c.chain.reply(ctx, change.KindChunk, r.edge, r.request, c.at(), r.body); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ChunkPublishAfter)
	if len(c.chunks.queue)+len(c.chunks.running)+len(c.chunks.waiting) > 0 {
		return nil
	}
	return c.beat(ctx) // tells the edge at once whether it is equal now
}

// make prepares the chunk. Reads do it beside each other; only one that was
// overtaken by changes is made again in the order of the frames.
func (r *chunkRead) make() error {
	r.items = r.items[:0]
	for _, kv := range r.kvs {
		r.items = append(r.items, digest.Item(kv.Key, kv.Value))
	}
	if r.deep != nil {
		return nil // nobody gets it
	}
	compress := change.CompressQuick
	if r.thin {
		compress = change.Compress
	}
	body, err := compress(change.EncodeChunk(lacking(r.chunkJob, r.kvs, r.items)))
	if err != nil {
		return fmt.Errorf("make chunk %v: %w", r.r, err)
	}
	r.body = body
	return nil
}

// addReleased adds the released keys of the range, which no read of the source
// brings, and reports whether there were any.
func (r *chunkRead) addReleased(x *index) (added bool, err error) {
	if x.released == 0 {
		return false, nil
	}
	err = x.each(r.r, func(key []byte, e entry) error {
		at, found := findKV(r.kvs, key)
		if e.released && !found {
			r.kvs = slices.Insert(r.kvs, at, change.KV{Key: bytes.Clone(key), Value: change.Released})
			added = true
		}
		return nil
	})
	return added, err
}

// bringForward lays the changes since the read over its content, and reports
// whether there were any.
func (r *chunkRead) bringForward() bool {
	later := slices.ContainsFunc(r.since, func(s recorded) bool { return s.revision > r.low })
	if later {
		r.kvs = overlay(r.kvs, r.low, r.since)
	}
	return later
}

// readAgain reads a range once more that does not hold what the index says: a
// comparison that ran meanwhile brings changes that reads do not see. When that
// does not help the index is wrong.
func (c *channel) readAgain(ctx context.Context, r *chunkRead) error {
	job := r.chunkJob
	if job.tries++; job.tries < chunkTries {
		c.chunks.queue = slices.Insert(c.chunks.queue, 0, job)
		c.chunks.queued += len(job.prints)
		return nil
	}
	return c.rebuild(ctx, fmt.Sprintf("the source does not hold what the exporter's index says of %v", r.r))
}

// lacking is the chunk with what the asker does not hold already.
func lacking(job chunkJob, kvs []change.KV, items []digest.Sum) change.Chunk {
	if job.prints.Len() == 0 {
		return change.Chunk{Range: job.r, KVs: kvs}
	}
	known, out := digest.NewKnown(job.prints, job.slot), change.Chunk{Range: job.r, Sparse: true}
	for i, kv := range kvs {
		if !known.Has(items[i]) {
			out.KVs = append(out.KVs, kv)
		}
	}
	out.Gone = known.Gone()
	return out
}

// overlay brings the content of a range at revision rev to the state after the
// changes that came since.
func overlay(kvs []change.KV, rev int64, since []recorded) []change.KV {
	for _, s := range since {
		if s.revision <= rev {
			continue
		}
		at, found := findKV(kvs, s.change.Key)
		kv := change.KV{Key: s.change.Key, Value: s.change.Value}
		switch {
		case s.change.Op == change.Put && found:
			kvs[at] = kv
		case s.change.Op == change.Put:
			kvs = slices.Insert(kvs, at, kv)
		case found:
			kvs = slices.Delete(kvs, at, at+1)
		}
	}
	return kvs
}

func findKV(kvs []change.KV, key []byte) (at int, found bool) {
	return slices.BinarySearchFunc(kvs, key, func(kv change.KV, key []byte) int { return bytes.Compare(kv.Key, key) })
}
