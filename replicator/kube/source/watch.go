package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	etcd "github.com/syncer-io/syncer/replicator/etcd/source"
)

// Watch delivers everything that happens to the selection from revision from on,
// each revision once and in order. It calls sink from one goroutine; a sink that
// blocks holds back the delivery, and the server ends what is not read for long.
//
// from must be positive. Watch never begins "now".
//
// Broken watches are opened again. Watch returns when that cannot help:
//   - the cause of ctx,
//   - the error of sink, as it is,
//   - [*etcd.Compacted]: the server has forgotten from, which it does within
//     minutes, and at its restart; compare instead,
//   - [*etcd.WentBack]: the history is another one; nothing compares,
//   - an error of the server, after Options.Patience when it is one that passes.
//     The caller goes on behind the last Resolved it saw.
func (s *Source) Watch(ctx context.Context, from int64, sink func(etcd.Batch) error) error {
	if from <= 0 {
		return fmt.Errorf("watching from revision %d: a watch needs a positive first revision, or it would miss what happened before it opens", from)
	}
	if s.wrong != nil {
		return s.wrong
	}
	now, err := s.admit(ctx, from-1)
	if err != nil {
		return err
	}
	if from == 1 { // an API server takes 0 for "anything"
		return &etcd.Compacted{Revision: from, CompactRevision: now.revision}
	}
	m := newMerge(len(s.resources), s.opts.MaxBytes, from-1)
	m.want(now.revision)
	group, inner := errgroup.WithContext(ctx)
	for i, res := range s.resources {
		l := &lane{source: s, res: res, merge: m, place: i, hurry: m.lanes[i].hurry}
		group.Go(func() error { return l.run(inner) })
	}
	group.Go(func() error { return s.ask(inner, m) })
	group.Go(func() error { return s.deliver(inner, m, sink) })
	err = group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return unwrapFn(err)
}

// deliver hands the merged events to sink until ctx is done.
func (s *Source) deliver(ctx context.Context, m *merge, sink func(etcd.Batch) error) error {
	defer s.told.Store(0)
	for {
		b, size, ok := m.take(ctx)
		if !ok {
			return context.Cause(ctx)
		}
		s.told.Store(b.Resolved) // before: a reader is never told less than the sink
		if err := sink(b); err != nil {
			return &fnError{err}
		}
		m.release(size)
	}
}

// ask finds out how far the cluster has come, when that is asked for and from
// time to time, and has the lanes follow.
func (s *Source) ask(ctx context.Context, m *merge) error {
	ticker := time.NewTicker(s.opts.Progress)
	defer ticker.Stop()
	for {
		select {
		case <-s.nudge:
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		h, err := s.head(ctx)
		if err != nil {
			return err
		}
		m.want(h.revision)
	}
}

// admit looks whether a watch can go on behind a revision: the cluster still is
// the one it was, and has one line of revisions for all resources.
func (s *Source) admit(ctx context.Context, passed int64) (head, error) {
	h, err := s.sameCluster(ctx, passed)
	if err != nil {
		return head{}, err
	}
	at := h.revision
	for _, res := range s.resources {
		rev, err := s.tick(ctx, res)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return head{}, err
		}
		if rev < at {
			return head{}, otherLine(res, rev, at)
		}
		at = rev
	}
	h, err = s.head(ctx)
	if err == nil && h.revision < at {
		err = otherLine(s.resources[len(s.resources)-1], at, h.revision)
	}
	return h, err
}

// sameCluster fails with *etcd.WentBack when the cluster is not the one that was
// at a revision already.
func (s *Source) sameCluster(ctx context.Context, passed int64) (head, error) {
	h, err := s.head(ctx)
	if err != nil {
		return head{}, err
	}
	was := s.uid
	s.uid = h.uid
	return h, h.follows(head{revision: passed, uid: was})
}

// follows fails with *etcd.WentBack when h cannot continue the history that stood
// at was.
func (h head) follows(was head) error {
	switch {
	case h.revision < was.revision:
		return &etcd.WentBack{Revision: h.revision, Was: was.revision, Why: "its revision went back"}
	case was.uid != "" && h.uid != was.uid:
		return &etcd.WentBack{Revision: h.revision, Was: was.revision, Why: "it is cluster " + h.uid + " and was " + was.uid}
	}
	return nil
}
