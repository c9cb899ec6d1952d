package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syncer-io/syncer/replicator/testbed"
)

// comeback is one way back from an outage, and the rounds of it.
type comeback struct {
	name    string
	history string // what is left of it: historyKept or historyGone
	link    badLink
	once    bool // it takes minutes: one round
	deletes bool // it also removes what is gone at the source
	run     func(context.Context, *scene, *comeback) (outcome, error)

	took, proof   series // seconds
	down, up      series // bytes to the edge and from it
	wrong         series // keys at the end
	stopped       string // why the tool ended without doing it
	usage         usage
	raw, smallest int // bytes of what was wrong, and compressed alone
	missing       int // keys that were wrong
}

const (
	historyKept = "kept"
	historyGone = "gone"
)

// badLink is what is between edge and cloud; the zero value is a good link.
type badLink struct {
	rtt  time.Duration
	loss float64
}

func (b badLink) onto(p *testbed.Proxy) {
	p.Delay(b.rtt)
	p.Lose(b.loss)
}

// outcome is what one round gave.
type outcome struct {
	took, proof time.Duration // proof is 0 when the tool gives none
	up, down    int64
	stopped     string
	usage       usage
}

// round puts the edge back and has it return.
func (c *comeback) round(ctx context.Context, s *scene) error {
	ctx, cancel := context.WithTimeoutCause(ctx, copyLimit, errTooLong)
	defer cancel()
	if err := s.rewind(ctx); err != nil {
		return err
	}
	o, err := c.run(ctx, s, c)
	if err != nil {
		return err
	}
	c.usage = c.usage.max(o.usage)
	if c.stopped = o.stopped; c.stopped != "" {
		return nil
	}
	left, err := s.bed.wrong(ctx)
	if err != nil {
		return err
	}
	c.took = append(c.took, o.took.Seconds())
	if o.proof > 0 {
		c.proof = append(c.proof, o.proof.Seconds())
	}
	c.up, c.down = append(c.up, float64(o.up)), append(c.down, float64(o.down))
	c.wrong = append(c.wrong, float64(len(left)))
	return nil
}

// importerStarts is an edge that was off. The clock begins with its importer.
func importerStarts(ctx context.Context, s *scene, c *comeback) (outcome, error) {
	c.link.onto(s.syncer.link)
	return c.edge(ctx, s, func() error { return s.syncer.start(ctx) })
}

// linkReturns is an edge whose importer runs and cannot reach the hub. The
// clock begins when it could.
func linkReturns(ctx context.Context, s *scene, c *comeback) (outcome, error) {
	c.link.onto(s.syncer.link)
	s.syncer.link.Refuse()
	if err := s.syncer.start(ctx); err != nil {
		return outcome{}, errors.Join(err, s.syncer.running.end("importer"))
	}
	if _, err := s.syncer.running["importer"].WaitLine(ctx, `"state":"disconnected"`); err != nil {
		return outcome{}, errors.Join(err, s.syncer.running.end("importer"))
	}
	return c.edge(ctx, s, func() error {
		s.syncer.link.Pass()
		return nil
	})
}

// edge measures an importer from begin until it says that it is in sync.
func (c *comeback) edge(ctx context.Context, s *scene, begin func() error) (o outcome, err error) {
	defer func() {
		s.syncer.link.Pass()
		badLink{}.onto(s.syncer.link)
		err = errors.Join(err, s.syncer.running.end("importer"))
	}()
	o, err = c.measure(ctx, s, s.syncer.link, func() (*testbed.Process, error) {
		err := begin()
		return s.syncer.running["importer"], err
	}, func() error {
		_, err := s.syncer.proven(ctx)
		return err
	})
	if err != nil {
		return o, err
	}
	o.usage, err = s.syncer.usage()
	return o, err
}

// mirrorFrom is an operator who has noted where make-mirror stopped.
func mirrorFrom(ctx context.Context, s *scene, c *comeback) (outcome, error) {
	return c.mirrored(ctx, s, s.lost+1)
}

// mirrorAgain is make-mirror as it is started without a revision.
func mirrorAgain(ctx context.Context, s *scene, c *comeback) (outcome, error) {
	return c.mirrored(ctx, s, 0)
}

// mirrored measures a make-mirror at the edge that reads the source over the
// link: the better of its two places.
func (c *comeback) mirrored(ctx context.Context, s *scene, from int64) (o outcome, err error) {
	link, err := testbed.StartProxy(s.bed.source.Address())
	if err != nil {
		return outcome{}, err
	}
	c.link.onto(link)
	m := &mirror{lab: s.syncer.lab, bed: s.bed, sourceLink: link, from: from, running: children{}}
	defer func() { err = errors.Join(err, m.stop()) }()
	o, err = c.measure(ctx, s, link, func() (*testbed.Process, error) {
		err := m.start(ctx)
		return m.running["make-mirror"], err
	}, nil)
	if errors.Is(err, errStopped) {
		return outcome{stopped: lastLine(m.running["make-mirror"].Output())}, nil
	}
	if err != nil {
		return o, err
	}
	o.usage, err = m.usage()
	return o, err
}

// measure is the time from begin until every key is right, and what passes the
// link until then, or until the tool has proven it.
func (c *comeback) measure(ctx context.Context, s *scene, link *testbed.Proxy, begin func() (*testbed.Process, error), proven func() error) (o outcome, err error) {
	right, from, err := c.before(ctx, s)
	if err != nil {
		return o, err
	}
	_, target := s.bed.clients()
	up, down := link.Passed()
	began := time.Now()
	p, err := begin()
	if err != nil {
		return o, err
	}
	err = whileRuns(ctx, p, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			defer func() { o.took = time.Since(began) }()
			return right.follow(ctx, target, from)
		})
		group.Go(func() error {
			if proven == nil {
				return nil
			}
			defer func() { o.proof = time.Since(began) }()
			return proven()
		})
		return group.Wait()
	})
	if err != nil {
		return o, err
	}
	if proven != nil && o.proof+time.Second < o.took {
		return o, fmt.Errorf("it says that it is in sync after %v, and is after %v", o.proof, o.took)
	}
	upNow, downNow := link.Passed()
	o.up, o.down = upNow-up, downNow-down
	return o, nil
}

// before notes what is wrong, and from which revision of the target on to
// watch it.
func (c *comeback) before(ctx context.Context, s *scene) (*righting, int64, error) {
	wrong, err := s.bed.wrong(ctx)
	if err != nil {
		return nil, 0, err
	}
	c.missing = len(wrong)
	if c.raw, c.smallest, err = wrong.smallest(); err != nil {
		return nil, 0, err
	}
	_, target := s.bed.clients()
	resp, err := target.Get(ctx, prefix)
	if err != nil {
		return nil, 0, fmt.Errorf("read the target: %w", err)
	}
	return wrong.righting(c.deletes), resp.Header.Revision + 1, nil
}

var errStopped = errors.New("the tool stopped")

// whileRuns calls fn with a context that ends when a process does.
func whileRuns(ctx context.Context, p *testbed.Process, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var guard sync.WaitGroup
	guard.Go(func() {
		select {
		case <-p.Done():
			cancel(errStopped)
		case <-ctx.Done():
		}
	})
	err := fn(ctx)
	cancel(nil)
	guard.Wait()
	return err
}

// lastLine is what a program said last.
func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}
