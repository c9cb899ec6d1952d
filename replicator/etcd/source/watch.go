package source

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fruitless is how many streams in a row may end silent, without having
// delivered anything, before Watch leaves it to its caller to try again.
const fruitless = 3

// Watch delivers everything that happens to the selection from revision from
// on, each revision once, whole, and in order. It calls sink from one
// goroutine; a sink that blocks holds back the delivery, not the source: when
// the queue is full the stream is closed, and opened again behind the last
// delivered revision once the queue has drained.
//
// from must be positive. Watch never begins "now".
//
// A broken stream is opened again. Watch returns when that cannot help:
//   - the cause of ctx,
//   - the error of sink, as it is,
//   - [Compacted], [Behind]: compare instead of replaying,
//   - [WentBack]: the history is another one; nothing compares,
//   - an error of the source, after Options.Patience when it is one that
//     passes. The caller goes on behind the last Resolved it saw.
//
// Everything up to the last Resolved has been given to sink when Watch
// returns, whatever the error.
func (s *Source) Watch(ctx context.Context, from int64, sink func(Batch) error) error {
	if from <= 0 {
		return fmt.Errorf("watching from revision %d: a watch needs a positive first revision, or it would miss what happened before it opens", from)
	}
	w := &watching{source: s, next: from, was: head{revision: from - 1}, waits: s.patience()}
	for {
		if err := w.admit(ctx); err != nil {
			return err
		}
		opened := time.Now()
		f := s.follow(ctx, request{from: w.next, silence: s.opts.Silence << w.silences, fragments: w.fragments}, sink)
		if f.final || ctx.Err() != nil {
			return f.err
		}
		if f.resolved >= w.next || time.Since(opened) > s.opts.Patience {
			w.silences = 0
			w.waits.reset()
		}
		w.next = f.resolved + 1
		w.was.revision = max(w.was.revision, f.resolved)
		if err := w.again(ctx, f.err); err != nil {
			return err
		}
	}
}

// watching is what one Watch knows from stream to stream.
type watching struct {
	source    *Source
	next      int64 // the first revision that was not delivered
	was       head
	waits     *patience
	silences  int // streams in a row that ended silent
	fragments bool
}

// again prepares the next stream after one that ended with cause, or returns
// why there should be none.
func (w *watching) again(ctx context.Context, cause error) error {
	log := w.source.log.With("cause", cause, "from", w.next)
	large, full := errors.Is(cause, errLarge), errors.Is(cause, errFull)
	switch {
	case full, large, errors.Is(cause, errCaughtUp):
		w.fragments = large || full && w.fragments
		log.DebugContext(ctx, "source watch is opened again")
		return nil
	case errors.Is(cause, errSilent):
		log.WarnContext(ctx, "source watch is dead and is opened again")
		if w.fragments {
			return &Behind{From: w.next, Current: w.was.revision}
		}
		if w.silences++; w.silences > fruitless {
			return w.source.explain(cause, fmt.Sprintf("watching from revision %d", w.next), w.source.sel.covering())
		}
		return nil
	}
	w.source.breaks.Add(1)
	log.InfoContext(ctx, "source watch broke and is opened again")
	return w.waits.wait(ctx, cause)
}

// admit looks whether the watch can be opened: the source still is the one it
// was, and the way is not too long.
func (w *watching) admit(ctx context.Context) error {
	now, err := w.source.headAfter(ctx, w.was)
	if err != nil {
		return err
	}
	if why := now.differs(w.was); why != "" {
		return &WentBack{Revision: now.revision, Was: w.was.revision, Why: why}
	}
	w.was = now
	if now.revision-w.next+1 > w.source.opts.MaxBacklog {
		return &Behind{From: w.next, Current: now.revision}
	}
	return nil
}

// differs says why h cannot continue the history that stood at was, or "".
// Revisions that linearizable reads report only ever grow, and so do terms but
// for [errOldTerm], so a smaller one betrays a restored backup even when the
// other has caught up.
func (h head) differs(was head) string {
	switch {
	case h.revision < was.revision:
		return "its revision went back"
	case was.cluster != 0 && h.cluster != was.cluster:
		return fmt.Sprintf("it is cluster %x and was %x", h.cluster, was.cluster)
	case h.term < was.term:
		return fmt.Sprintf("its raft term went back from %d to %d", was.term, h.term)
	}
	return ""
}
