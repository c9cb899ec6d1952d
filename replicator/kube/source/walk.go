package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/syncer-io/syncer/replicator/change"
	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

// restarts is how often a walk may lose its revision before it gives up.
const restarts = 3

// walk goes through a range page by page.
type walk struct {
	source   *Source
	res      *resource
	rest     change.Range // what is still to read
	keysOnly bool
	revision int64 // of all pages, or newest
	loose    bool  // pages may be of different revisions
	fn       func([]etcd.Item) error

	pace        pace
	next        string
	whole       bool // one answer for everything: nothing can come between
	unplaced    bool // the server does not begin within a list
	first, last int64
}

func (s *Source) walk(r change.Range, fn func([]etcd.Item) error) (*walk, error) {
	res, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return &walk{source: s, res: res, rest: r, revision: newest, fn: fn, pace: newPace()}, nil
}

// run walks to the end of the range. An error that expired reports is one of the
// revision.
func (w *walk) run(ctx context.Context) error {
	lost := 0
	for {
		p, err := w.ask(ctx)
		switch {
		case expired(err) && w.loose && lost < restarts:
			lost++
			w.next = ""
			continue
		case apierrors.IsBadRequest(err) && !w.unplaced:
			w.unplaced, w.next = true, ""
			continue
		case err != nil:
			return w.source.explain(err, w.res.reading(), "list %s", w.res.Word)
		}
		done, err := w.take(p)
		if err != nil || done {
			return err
		}
		lost = 0
	}
}

func (w *walk) ask(ctx context.Context) (p page, err error) {
	ask := request{from: w.rest.Lo, next: w.next, revision: w.revision, limit: w.pace.limit, keysOnly: w.keysOnly}
	if w.unplaced {
		ask.from = nil
	}
	if w.whole {
		ask.limit = 0
	}
	err = w.source.retry(ctx, func(ctx context.Context) error {
		p, err = w.source.list(ctx, w.res, ask)
		return err
	})
	return p, err
}

// take hands on what the page has of the range.
func (w *walk) take(p page) (done bool, err error) {
	if w.first == 0 {
		w.first = p.revision
	}
	w.last = max(w.last, p.revision)
	w.pace.seen(p.items)
	var items []etcd.Item
	var before []byte
	done = p.next == ""
	for _, it := range p.items {
		if bytes.Compare(before, it.Key) >= 0 {
			return false, fmt.Errorf("list %s: the server shows %q after %q, which is not the order of keys", w.res.Word, it.Key, before)
		}
		before = it.Key
		if len(w.rest.Hi) > 0 && bytes.Compare(it.Key, w.rest.Hi) >= 0 {
			done = true
			break
		}
		if bytes.Compare(it.Key, w.rest.Lo) >= 0 {
			items = append(items, it)
		}
	}
	w.next = p.next
	if len(items) == 0 {
		return done, nil
	}
	w.rest.Lo = append(bytes.Clone(items[len(items)-1].Key), 0)
	if err := w.fn(items); err != nil {
		return false, &fnError{err}
	}
	return done, nil
}

// fnError keeps what a caller's function returned apart from what the server
// returned.
type fnError struct{ error }

func (e *fnError) Unwrap() error { return e.error }

func unwrapFn(err error) error {
	var stop *fnError
	if errors.As(err, &stop) {
		return stop.error
	}
	return err
}

// The size of a page.
const (
	leastObjects = 1
	mostObjects  = 1000
	pageBytes    = 2 << 20
)

// pace chooses how many objects the next page has, so that answers stay near a
// number of bytes although the sizes of objects are not known before.
type pace struct{ limit int64 }

func newPace() pace { return pace{limit: 64} }

func (p *pace) seen(items []etcd.Item) {
	size := 0
	for _, it := range items {
		size += len(it.Key) + len(it.Value)
	}
	switch {
	case size < pageBytes/2:
		p.limit = min(2*p.limit, mostObjects)
	case size > pageBytes:
		p.limit = max(p.limit/2, leastObjects)
	}
}
