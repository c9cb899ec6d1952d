package target

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
)

// Watch gives fn what others did to the objects that were applied in the ranges,
// behind revision from, until ctx is done or fn fails. Nothing at or below seen,
// which never goes back, will still come. Calls of fn without writes bring seen
// only.
//
// It is given what changed a field that was applied, or deleted or replaced the
// object. Status, fields of others, and what others made by themselves are
// theirs. Of several edits of one object between two looks only the last is
// given. An object that somebody else made is given when a commit meets it.
//
// One Watch runs at a time. A server that is away is waited for.
func (t *Target) Watch(ctx context.Context, ranges []change.Range, from int64, fn func(writes []target.Local, seen int64) error) error {
	w := &watcher{t: t, ranges: ranges, fn: fn, from: from, seen: from, events: make(chan []byte, 256), running: map[schema.GroupVersionResource]context.CancelFunc{}}
	group, ctx := errgroup.WithContext(ctx)
	w.group, w.ctx = group, ctx
	group.Go(func() error { return w.run(ctx) })
	return group.Wait()
}

// Events tell of edits at once, and only a look at everything tells that there are
// no more. It is taken every lookEvery; while we write more often, but so that
// looking takes a small share of the time.
const (
	lookEvery = 30 * time.Second
	lookSoon  = time.Second
	lookShare = 20 // the pause after a look is so many times what it took
)

// watching is what commits tell the watch.
type watching struct {
	kick  chan struct{} // somebody waits for the next look
	wrote chan struct{} // we did

	mu     sync.Mutex
	strays [][]byte // keys of objects that others made
}

// found tells of an object that somebody else made at a key.
func (w *watching) found(key []byte) {
	w.mu.Lock()
	w.strays = append(w.strays, key)
	w.mu.Unlock()
	w.look()
}

// look has the watch look at everything now.
func (w *watching) look() { signal(w.kick) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}

func (w *watching) take() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.strays
	w.strays = nil
	return out
}

type watcher struct {
	t       *Target
	ranges  []change.Range
	fn      func([]target.Local, int64) error
	from    int64
	seen    int64
	looked  time.Time        // when all was looked at last
	took    time.Duration    // how long that took
	told    map[string]int64 // edits that were given, by key
	events  chan []byte      // keys that something happened to
	running map[schema.GroupVersionResource]context.CancelFunc
	group   *errgroup.Group
	ctx     context.Context
	away    *backoff.ExponentialBackOff // nil while the server answers
}

func (w *watcher) run(ctx context.Context) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	for {
		var err error
		pause := lookEvery
		if w.t.modRev() > w.seen {
			pause = max(lookSoon, lookShare*w.took)
		}
		timer := time.NewTimer(time.Until(w.looked.Add(pause)))
		select {
		case key := <-w.events:
			err = w.one(ctx, key)
		case <-w.t.watching.kick:
			err = w.all(ctx)
		case <-w.t.watching.wrote: // the next look is sooner
		case <-timer.C:
			if w.t.modRev() > w.seen || time.Since(w.looked) >= lookEvery {
				err = w.all(ctx)
			}
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
		if err != nil {
			return err
		}
	}
}

// begin gives the edits that are known already, then looks for more.
func (w *watcher) begin(ctx context.Context) error {
	w.told = map[string]int64{}
	return w.all(ctx)
}

// all verifies the inventory, gives the edits that were not given yet, and goes
// on to what was seen. A server that is away is asked again at the next chance.
func (w *watcher) all(ctx context.Context) error {
	w.follow()
	began := time.Now()
	rev, err := w.t.verify(ctx, w.ranges, nil)
	w.looked, w.took = time.Now(), time.Since(began)
	if err != nil {
		return w.later(ctx, err)
	}
	var out []target.Local
	for _, r := range w.ranges {
		err := w.t.inventory.walk(r, func(key []byte, h head) error {
			if h.Edit == nil {
				delete(w.told, string(key))
				return nil
			}
			l, fresh, err := w.local(key)
			if fresh {
				out = append(out, l)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	strays, err := w.strays(ctx)
	if err != nil {
		return w.later(ctx, err)
	}
	w.away = nil
	w.seen = max(w.seen, rev)
	return w.fn(append(out, strays...), w.seen)
}

func (w *watcher) later(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.away == nil {
		w.away = newPause()
		w.t.log.WarnContext(ctx, "what others write to the target is not seen for now", "cause", err.Error())
	}
	if err := wait(ctx, w.away); err != nil {
		return err
	}
	w.t.watching.look()
	return nil
}

// local is the edit of a key, and whether it was not given before.
func (w *watcher) local(key []byte) (target.Local, bool, error) {
	r, known, err := w.t.inventory.get(key)
	if err != nil || !known || r.Edit == nil || max(w.from, w.told[string(key)]) >= r.Edit.Revision {
		return target.Local{}, false, err
	}
	w.told[string(key)] = r.Edit.Revision
	value, _ := r.value()
	return target.Local{Key: key, Value: value, Deleted: r.Edit.Deleted, Revision: r.Edit.Revision, By: r.Edit.By}, true, nil
}

func (w *watcher) strays(ctx context.Context) ([]target.Local, error) {
	var out []target.Local
	for _, key := range w.t.watching.take() {
		value, rev, err := w.t.Get(ctx, key)
		if err != nil {
			w.t.watching.found(key)
			return nil, err
		}
		if rev > 0 {
			out = append(out, target.Local{Key: key, Value: value, Revision: rev})
		}
	}
	return out, nil
}

// one looks at one object that something happened to.
func (w *watcher) one(ctx context.Context, key []byte) error {
	h, known, err := w.t.inventory.head(key)
	if err != nil || !known || h.Released {
		return err
	}
	if _, _, err := w.t.examine(ctx, key); err != nil && !errors.Is(err, errUnsettled) {
		return w.later(ctx, err)
	}
	l, fresh, err := w.local(key)
	if err != nil || !fresh {
		return err
	}
	return w.fn([]target.Local{l}, w.seen)
}

// follow watches every resource of which something was applied.
func (w *watcher) follow() {
	wanted := map[schema.GroupVersionResource]head{}
	for _, r := range w.ranges {
		_ = w.t.inventory.walk(r, func(_ []byte, h head) error { // what fails is read again at the next look
			if !h.Released {
				wanted[h.resource()] = h
			}
			return nil
		})
	}
	for r, h := range wanted {
		if w.running[r] == nil {
			ctx, cancel := context.WithCancel(w.ctx)
			w.running[r] = cancel
			w.group.Go(func() error { return w.resource(ctx, h) })
		}
	}
	for r, cancel := range w.running {
		if _, ok := wanted[r]; !ok {
			cancel()
			delete(w.running, r)
		}
	}
}

// resource tells of events of one resource until ctx is done. What it misses the
// next look finds.
func (w *watcher) resource(ctx context.Context, h head) error {
	pause := newPause()
	for ctx.Err() == nil {
		began := time.Now()
		err := w.listen(ctx, h)
		if _, forbidden := client.MissingRule(err); forbidden {
			err = w.t.client.Explain(err)
			w.t.log.WarnContext(ctx, "what others write shows late", "resource", wordOf(h), "cause", err.Error(), "try", fault.Try(err))
			sleep(ctx, lookEvery)
			continue
		}
		if time.Since(began) > time.Minute {
			pause = newPause()
		}
		w.t.watching.look()  // for what happened while nobody watched
		_ = wait(ctx, pause) // which ends early with ctx only
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// listen follows one stream of events to its end.
func (w *watcher) listen(ctx context.Context, h head) error {
	stream, err := w.t.client.Metadata.Resource(h.resource()).Watch(ctx, metav1.ListOptions{AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for e := range stream.ResultChan() {
		if e.Type != watch.Modified && e.Type != watch.Deleted && e.Type != watch.Added {
			continue
		}
		o, ok := e.Object.(*metav1.PartialObjectMetadata)
		if !ok {
			continue
		}
		key := keyOf(h.resource().GroupResource(), o.Namespace, o.Name)
		seen, known, err := w.t.inventory.head(key)
		if err != nil || !known || e.Type != watch.Deleted && seen.Seen == o.ResourceVersion {
			continue
		}
		select {
		case w.events <- key:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
