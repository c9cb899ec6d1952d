package importer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/jetstream"
)

const (
	// chunkBytes is how much the source holds in the ranges that one chunk
	// carries, about.
	chunkBytes = 512 << 10
	// windowBytes is how much is asked for and not yet here.
	windowBytes = 8 << 20
	// patienceBeats is how many heartbeats a repair may stand still before
	// it begins anew: an exporter that starts over forgets what it was asked.
	// One that has many edges to serve is slow, and forgets the place in the
	// queue of an edge that asks again: each time in vain doubles the patience.
	patienceBeats     = 4
	mostPatienceBeats = 256
)

// repair makes the target equal again: it asks for the channel's digest page,
// compares, asks for the ranges that differ, and replaces them. It is resumable
// without a memory of its own, because what was replaced is equal at the next
// comparison. The heartbeat that follows says whether it is done.
type repair struct {
	reason   string
	id       string // of the requests; "" when nothing is being repaired
	asked    bool
	compared bool
	left     []digest.Difference
	out      map[string]digest.Difference // asked for, by first key
	outBytes uint64
	still    int // heartbeats without progress
	patience int // how many there may be
	ask      func(ctx context.Context, req jetstream.Request) error
	lastAsk  time.Time
}

// begin starts a repair, or starts it over.
func (r *repair) begin(reason string) {
	*r = repair{reason: reason, id: rand.Text(), out: make(map[string]digest.Difference), patience: patienceBeats, ask: r.ask}
}

// again starts a repair over that stood still, with more patience.
func (r *repair) again() {
	patience := min(2*r.patience, mostPatienceBeats)
	r.begin(r.reason)
	r.patience = patience
}

func (r *repair) stop() { *r = repair{ask: r.ask} }

// beat is called at each heartbeat at which the digest does not match.
func (r *repair) beat(a *applier) {
	finished := r.compared && len(r.left) == 0 && len(r.out) == 0
	r.still++
	switch {
	case r.id == "":
		r.begin("the target is not equal to the source yet")
	case finished:
		r.begin(r.reason)
	case r.still > r.patience:
		r.again()
	}
	a.im.view.repairing(r)
}

// advance sends the requests that are due. A request that fails is sent again
// later; the inbox is not held up for it.
func (r *repair) advance(ctx context.Context, a *applier) error {
	if r.id == "" || r.ask == nil {
		return nil
	}
	a.im.view.repairing(r)
	if !r.asked {
		if time.Since(r.lastAsk) < time.Second {
			return nil
		}
		r.lastAsk = time.Now()
		err := r.send(ctx, jetstream.Request{Page: &jetstream.PageRequest{ID: r.id}})
		r.asked = err == nil
		return passing(a, err)
	}
	if !r.compared || len(r.left) == 0 || r.outBytes > windowBytes/2 {
		return nil
	}
	n, bytes := 0, r.outBytes
	req := &jetstream.RangesRequest{ID: r.id}
	for n < len(r.left) && (n == 0 || bytes+r.left[n].Bytes <= windowBytes) {
		bytes += r.left[n].Bytes
		req.Ranges = append(req.Ranges, r.left[n].Range)
		n++
	}
	if err := r.send(ctx, jetstream.Request{Ranges: req}); err != nil {
		return passing(a, err)
	}
	for _, d := range r.left[:n] {
		r.out[string(d.Range.Lo)] = d
	}
	r.left, r.outBytes = r.left[n:], bytes
	return nil
}

func (r *repair) send(ctx context.Context, req jetstream.Request) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	failpoint.Hit(failpoint.RequestBefore)
	err := r.ask(ctx, req)
	failpoint.Hit(failpoint.RequestAfter)
	return err
}

// passing lets errors through that the session has to deal with.
func passing(a *applier, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Class == fault.Refused {
		return err
	}
	if err != nil {
		a.im.logger.Debug("a repair request failed and is sent again", "cause", err.Error())
	}
	return nil
}

// page compares the target with the channel's digest page at the page's
// revision: everything up to it is applied, nothing beyond it.
func (a *applier) page(ctx context.Context, f taken, page []change.PageRange) error {
	r := &a.repair
	if f.Request != r.id || r.compared {
		return nil
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	if err := a.barrier(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.PageCompareBefore)
	a.table = nil // makes room for the new one
	var diffs []digest.Difference
	err := a.patiently(ctx, func() error {
		c := digest.Compare(page)
		table := digest.NewTable()
		_, err := a.target.Scan(ctx, a.ranges, func(kvs []change.KV) error {
			for _, kv := range kvs {
				if err := c.Add(kv.Key, digest.Item(kv.Key, kv.Value)); err != nil {
					return err
				}
				table.Put(kv.Key, kv.Value)
			}
			return nil
		})
		diffs, _ = c.Finish()
		a.table = table
		return err
	})
	if err != nil {
		return fmt.Errorf("compare with the digest page: %w", err)
	}
	failpoint.Hit(failpoint.PageCompareAfter)
	r.compared, r.still = true, 0
	r.left = digest.Coalesce(diffs, chunkBytes)
	a.im.logger.Info("compared with the source", "revision", f.Last, "ranges", len(page), "different", len(diffs), "reason", r.reason)
	a.im.view.repairing(r)
	return nil
}

// chunk replaces one range by its content at the source. Several chunks are
// written at a time; whatever comes after them in the stream waits for them.
func (a *applier) chunk(ctx context.Context, f taken, c change.Chunk) error {
	r := &a.repair
	d, ok := r.out[string(c.Range.Lo)]
	if f.Request != r.id || !ok {
		return nil
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	delete(r.out, string(c.Range.Lo))
	r.outBytes -= d.Bytes
	r.still, r.patience = 0, patienceBeats
	if a.writes == nil {
		a.writes = new(errgroup.Group)
		a.writes.SetLimit(chunkWriters)
	}
	a.writes.Go(func() error { return a.replace(ctx, c) })
	a.im.view.repairing(r)
	return nil
}

func (a *applier) replace(ctx context.Context, c change.Chunk) error {
	failpoint.Hit(failpoint.ChunkReplaceBefore)
	err := a.promptly(ctx, func() error {
		done, err := a.target.Replace(ctx, target.Chunk{Range: c.Range, Want: c.KVs})
		for _, kv := range done.Put {
			a.table.Put(kv.Key, kv.Value)
		}
		for _, key := range done.Deleted {
			a.table.Delete(key)
		}
		return err
	})
	if err != nil {
		a.im.stale.Store(true)
		return fmt.Errorf("replace %v: %w", c.Range, err)
	}
	failpoint.Hit(failpoint.ChunkReplaceAfter)
	return nil
}
