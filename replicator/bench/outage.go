package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// outageSize is what an edge misses while it is away: revisions on so many of
// its keys, and deletes of others.
type outageSize struct{ keys, revisions, changed, deletes int }

// outageDiffering are the numbers of keys that differ, of all.
type outageDiffering struct {
	keys   int
	counts []int
}

// farAway is a bad link.
var farAway = badLink{rtt: 300 * time.Millisecond, loss: 0.05}

// missed are the ways back from one outage.
type missed struct {
	size outageSize
	near []*comeback
	far  []*comeback
}

// Ways back.
func syncerStarts() comeback {
	return comeback{name: "syncer, the importer starts", deletes: true, run: importerStarts}
}

func syncerReconnects() comeback {
	return comeback{name: "syncer, the link returns", deletes: true, run: linkReturns}
}

func mirrorRev() comeback {
	return comeback{name: "make-mirror --rev", deletes: true, once: true, run: mirrorFrom}
}

func mirrorFull() comeback {
	return comeback{name: "make-mirror, everything again", once: true, run: mirrorAgain}
}

func (c comeback) over(link badLink, history string) *comeback {
	c.link, c.history = link, history
	return &c
}

// outageObjects is outageMissed of values as Kubernetes has them. make-mirror
// sends the same number of bytes, whatever is in them, and is not asked again.
func (l *lab) outageObjects(ctx context.Context) (_ *missed, err error) {
	size := l.missed
	out := &missed{size: size}
	s, err := l.openScene(ctx, size.keys)
	if err != nil {
		return nil, fmt.Errorf("prepare an outage of objects: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.made = object
	if err := s.put(ctx, size.revisions, 0, size.changed); err != nil {
		return nil, err
	}
	if err := s.remove(ctx, size.changed, size.changed+size.deletes); err != nil {
		return nil, err
	}
	for _, history := range []string{historyKept, historyGone} {
		if history == historyGone {
			if err := s.forget(ctx); err != nil {
				return nil, err
			}
		}
		way := syncerStarts().over(badLink{}, history)
		out.near = append(out.near, way)
		if err := l.comeBack(ctx, s, []*comeback{way}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// outageMissed measures the return of an edge that missed many revisions.
func (l *lab) outageMissed(ctx context.Context) (_ *missed, err error) {
	size := l.missed
	out := &missed{size: size}
	s, err := l.openScene(ctx, size.keys)
	if err != nil {
		return nil, fmt.Errorf("prepare an outage: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.put(ctx, size.revisions, 0, size.changed); err != nil {
		return nil, err
	}
	if err := s.remove(ctx, size.changed, size.changed+size.deletes); err != nil {
		return nil, err
	}
	l.say("outage: %d revisions on %d of %d keys and %d deletes are missed", size.revisions, size.changed, size.keys, size.deletes)
	for _, history := range []string{historyKept, historyGone} {
		if history == historyGone {
			if err := s.forget(ctx); err != nil {
				return nil, err
			}
		}
		near, far := waysBack(badLink{}, history), waysBack(farAway, history)
		out.near, out.far = append(out.near, near...), append(out.far, far...)
		if err := l.comeBack(ctx, s, slices.Concat(near, far)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// waysBack are what is measured, by what is left of the history. That
// make-mirror stops without one is tried over a good link only.
func waysBack(link badLink, history string) []*comeback {
	near, gone := link == badLink{}, history == historyGone
	out := []*comeback{syncerStarts().over(link, history)}
	if near {
		out = append(out, syncerReconnects().over(link, history))
	}
	if near || !gone {
		out = append(out, mirrorRev().over(link, history))
	}
	if gone {
		out = append(out, mirrorFull().over(link, history))
	}
	return out
}

// comeBack makes the rounds of all ways back from an outage, in turn.
func (l *lab) comeBack(ctx context.Context, s *scene, all []*comeback) error {
	for round := range l.backRounds {
		for i := range all {
			c := all[(round+i)%len(all)]
			if !l.tools.MatchString(c.name) || c.once && !l.again(round) {
				continue
			}
			if err := c.round(ctx, s); err != nil {
				return fmt.Errorf("back from an outage, history %s, %s: %w", c.history, c.name, err)
			}
			l.say("outage, history %s, round trip %v, %s: %s", c.history, c.link.rtt, c.name, c.newest())
		}
	}
	return nil
}

// newest tells of the newest round.
func (c *comeback) newest() string {
	if c.stopped != "" {
		return c.stopped
	}
	text := fmt.Sprintf("%s, %s down, %s up, %.0f keys wrong", seconds(c.took.last()), sized(c.down.last()), sized(c.up.last()), c.wrong.last())
	if len(c.proof) > 0 {
		text += ", proven after " + seconds(c.proof.last())
	}
	return text
}

// outageDiffers measures the return of an edge that has no history to go on
// with, by how many keys differ. make-mirror does the same whatever differs, so
// that it takes part once, at the end.
func (l *lab) outageDiffers(ctx context.Context) (_ []*comeback, err error) {
	s, err := l.openScene(ctx, l.differing.keys)
	if err != nil {
		return nil, fmt.Errorf("prepare an outage: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var out []*comeback
	before := 0
	for i, n := range l.differing.counts {
		if err := s.put(ctx, n-before, before, n); err != nil {
			return nil, err
		}
		before = n
		if err := s.forget(ctx); err != nil {
			return nil, err
		}
		ways := []*comeback{syncerStarts().over(badLink{}, historyGone)}
		if i == len(l.differing.counts)-1 {
			ways = append(ways, mirrorFull().over(badLink{}, historyGone))
		}
		l.say("outage: %d of %d keys differ", n, l.differing.keys)
		if err := l.comeBack(ctx, s, ways); err != nil {
			return nil, err
		}
		out = append(out, ways...)
	}
	return out, nil
}

// lossBound is about how many bytes a second a TCP that takes loss for
// congestion carries over a link: Mathis, Semke, Mahdavi and Ott, 1997.
func (b badLink) lossBound() float64 {
	const segment = 1400
	return segment / b.rtt.Seconds() * math.Sqrt(1.5/b.loss)
}
