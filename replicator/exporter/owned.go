package exporter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// Owned are keys of the source that an importer writes there. They are another
// cluster's: exporting them would send changes in circles.
type Owned struct {
	Source, Channel string // that the importer follows
	Ranges          []change.Range
}

// ownedEvery is how often the source is asked for what importers write there.
const ownedEvery = 30 * time.Second

// ownedTime bounds how long a slow source may take to tell: of a hundred
// importers in a cluster it is several requests. silentSource bounds it where
// others wait for that.
const ownedTime = 20 * time.Second

// learnOwned asks the source for what importers write there.
func (e *Exporter) learnOwned(ctx context.Context, limit time.Duration) ([]Owned, error) {
	if e.cfg.Owned == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return e.cfg.Owned(ctx)
}

// unowned is nil once it is known what importers write to the source: before,
// nothing is exported on a guess.
func (t *term) unowned() error {
	if err := t.ignorance.Load(); err != nil {
		return fmt.Errorf("look for importers that write to the source: %w", *err)
	}
	return nil
}

// followOwned has the channels follow what importers write to the source.
func (t *term) followOwned(ctx context.Context) error {
	for {
		pause := ownedEvery
		if t.unowned() != nil {
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		owned, err := t.learnOwned(ctx, ownedTime)
		if err != nil && t.unowned() != nil {
			t.ignorance.Store(&err)
		}
		if err != nil {
			t.logger.Debug("the source does not tell for now what importers write there", "cause", err.Error())
			continue // what was known holds until it does
		}
		if err := t.own(ctx, owned); err != nil {
			return err
		}
	}
}

// own has the channels spare what importers write to the source, and only then
// has them begin if they wait for it.
func (t *term) own(ctx context.Context, owned []Owned) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !sameOwned(t.owned, owned) {
		t.owned = owned
		edges, err := t.pairs.Edges(ctx)
		if err == nil {
			err = t.muster(t.policies, edges)
		}
		if err != nil {
			return err
		}
	}
	t.ignorance.Store(nil)
	return nil
}

func sameOwned(a, b []Owned) bool {
	return slices.EqualFunc(a, b, func(x, y Owned) bool { return fmt.Sprint(x) == fmt.Sprint(y) })
}

// beside are the same policies, on a source to which importers write that.
func (p *policies) beside(owned []Owned) *policies {
	if sameOwned(p.owned, owned) {
		return p
	}
	q := *p
	q.owned = owned
	return &q
}

// free is an error when a policy selects what an importer writes.
func (p *policies) free(policy string, s *filter.Selection) error {
	for _, o := range p.owned {
		for _, mine := range s.SourceRanges() {
			for _, theirs := range o.Ranges {
				if both := mine.Intersect(theirs); !both.Empty() {
					return fault.New(fault.Safety, "exclude them from the policy, objects by its namespaces: each key has one cluster that it comes from",
						"policy %s selects %s, which an importer writes here from source %s, channel %s", policy, both, o.Source, o.Channel)
				}
			}
		}
	}
	return nil
}
