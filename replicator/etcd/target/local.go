package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/source"
)

// Local is what somebody else did to one key of the selection.
type Local struct {
	Key     []byte
	Value   []byte // nil when Deleted
	Deleted bool
	// Revision of the target at which it was done.
	Revision int64
	// By names who did it, "" where the target does not tell.
	By string
}

// ErrCompacted ends a Watch, and answers Before, when the target no longer has
// the history that would tell.
var ErrCompacted = errors.New("the target has compacted the history in which others may have written")

// localBytes bounds what Watch holds. Our own writes come by, too.
const localBytes = 4 << 20

// Watch gives fn what others did to the ranges behind revision from, in the
// order in which they did it, whole revisions at a time, until ctx is done, fn
// fails, or the history is gone: [ErrCompacted]. Nothing at or below seen, which
// never goes back, will still come. Calls of fn without writes bring seen only.
// Whoever reads slowly holds nothing up at the etcd.
//
// What a commit of any importer of this channel wrote is not given: its revision
// wrote the cursor or the channel's mark as well. Writes to released keys are
// their owner's and are not given either.
//
// One Watch runs at a time. A target that is away is waited for.
func (t *Target) Watch(ctx context.Context, ranges []change.Range, from int64, fn func(writes []Local, seen int64) error) error {
	t.own.open()
	defer t.own.close()
	t.told.Store(from)
	defer t.told.Store(0)
	w := source.New(t.cli, t.readable(ranges), source.Options{MaxBytes: localBytes, Patience: t.attempt, Plain: t.single != nil}, t.log)
	pause := newPause()
	for {
		err := w.Watch(ctx, from+1, func(b source.Batch) error {
			var writes []Local
			for _, r := range b.Revisions {
				others, err := t.others(ctx, r)
				if err != nil {
					return &callbackError{err}
				}
				writes = append(writes, others...)
			}
			t.own.forget(b.Resolved)
			if err := fn(writes, b.Resolved); err != nil {
				return &callbackError{err}
			}
			from = b.Resolved
			t.told.Store(from)
			pause.Reset()
			return nil
		})
		var own *callbackError
		var compacted *source.Compacted
		var behind *source.Behind
		switch {
		case errors.As(err, &own):
			return own.err
		case errors.As(err, &compacted), errors.As(err, &behind):
			return fmt.Errorf("%w: %w", ErrCompacted, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		var back *source.WentBack
		if errors.As(err, &back) {
			return err
		}
		t.log.WarnContext(ctx, "what others write to the target is not seen for now", "cause", err.Error())
		if wait(ctx, pause) != nil {
			return context.Cause(ctx)
		}
	}
}

// others are the writes of a revision that are not ours.
func (t *Target) others(ctx context.Context, r source.Revision) ([]Local, error) {
	var ours bool
	var err error
	if t.single != nil {
		ours, err = t.wroteSingle(ctx, r)
	} else {
		ours, err = t.wrote(ctx, r.Revision)
	}
	if ours || err != nil {
		return nil, err
	}
	var out []Local
	for _, e := range r.Events {
		released, err := t.releasedAt(ctx, e.Key, r.Revision)
		if err != nil {
			return nil, err
		}
		if !released && t.contains(e.Key) {
			out = append(out, Local{Key: e.Key, Value: e.Value, Deleted: e.Op == change.Delete, Revision: r.Revision})
		}
	}
	return out, nil
}

// wrote reports whether a revision is one of the channel's commits. The etcd
// knows when we do not: of a commit before the last start, or of one whose
// answer is not here yet.
func (t *Target) wrote(ctx context.Context, revision int64) (bool, error) {
	if t.own.has(revision) {
		return true, nil
	}
	for _, key := range []string{t.key.String(), t.markKey()} {
		mod, err := t.modAt(ctx, key, revision)
		if mod == revision || err != nil {
			return mod == revision, err
		}
	}
	return false, nil
}

// modAt is the revision that wrote the key last, as of a revision; 0 when it did
// not exist.
func (t *Target) modAt(ctx context.Context, key string, revision int64) (mod int64, err error) {
	kv, err := t.getAt(ctx, key, revision, clientv3.WithKeysOnly())
	if kv == nil || err != nil {
		return 0, err
	}
	return kv.modRev, nil
}

type valueAt struct {
	value  []byte
	modRev int64
}

// getAt is a key as of a revision, nil when it did not exist. A target that is away
// is waited for.
func (t *Target) getAt(ctx context.Context, key string, revision int64, opts ...clientv3.OpOption) (*valueAt, error) {
	pause := newPause()
	for {
		attempt, cancel := context.WithTimeout(ctx, t.attempt)
		resp, err := t.cli.Get(attempt, key, append(slices.Clone(opts), clientv3.WithRev(revision))...)
		cancel()
		switch {
		case err == nil && len(resp.Kvs) == 0:
			return nil, nil //nolint:nilnil // the key did not exist
		case err == nil:
			return &valueAt{resp.Kvs[0].Value, resp.Kvs[0].ModRevision}, nil
		case errors.Is(err, rpctypes.ErrCompacted):
			return nil, fmt.Errorf("%w: read key %q at revision %d", ErrCompacted, key, revision)
		case errors.Is(err, rpctypes.ErrFutureRev): // it comes, but as another one
			return nil, fmt.Errorf("read key %q at revision %d, which the target told of and does not have: it was restored or wiped", key, revision)
		}
		if werr := wait(ctx, pause); werr != nil {
			return nil, fmt.Errorf("read key %q at revision %d: %w", key, revision, t.explain(err, key))
		}
	}
}

func (t *Target) releasedAt(ctx context.Context, key []byte, revision int64) (bool, error) {
	if !t.released.Load() {
		return false, nil
	}
	kv, err := t.getAt(ctx, string(t.marker(key)), revision, clientv3.WithKeysOnly())
	return kv != nil, err
}

// Before is what the key held just before a revision; found is false when it did
// not exist. [ErrCompacted] when the target does not know any more.
func (t *Target) Before(ctx context.Context, key []byte, revision int64) (value []byte, found bool, err error) {
	kv, err := t.getAt(ctx, string(key), revision-1)
	if kv == nil || err != nil {
		return nil, false, err
	}
	return kv.value, true, nil
}

// Get is what the key holds now (linearizable), and the revision that wrote it,
// which is 0 when it does not exist.
func (t *Target) Get(ctx context.Context, key []byte) (value []byte, revision int64, err error) {
	kv, err := t.getAt(ctx, string(key), 0)
	if kv == nil || err != nil {
		return nil, 0, err
	}
	return kv.value, kv.modRev, nil
}

// markKey is written by commits that carry no cursor, so that they are known for
// the channel's by what they wrote.
func (t *Target) markKey() string { return Prefix + "mark/" + t.key.Source + "/" + t.key.Channel }

// ownRevisions are the revisions of commits that a Watch has not passed yet.
type ownRevisions struct {
	mu   sync.Mutex
	revs map[int64]struct{} // nil while nobody watches
}

func (o *ownRevisions) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revs = make(map[int64]struct{})
}

func (o *ownRevisions) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revs = nil
}

func (o *ownRevisions) add(revision int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revs != nil {
		o.revs[revision] = struct{}{}
	}
}

func (o *ownRevisions) has(revision int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.revs[revision]
	return ok
}

// forget drops the revisions up to one.
func (o *ownRevisions) forget(revision int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for r := range o.revs {
		if r <= revision {
			delete(o.revs, r)
		}
	}
}
