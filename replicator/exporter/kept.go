package exporter

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
)

// kept are the keys that a channel has released: edges may hold each of them,
// and a channel that does not know them any more deletes them there.
type kept struct {
	known bool            // the index told
	seen  map[string]bool // by key: its object was met at the source
}

// tell takes the released keys from an index.
func (k *kept) tell(keys []string) {
	k.known, k.seen = true, make(map[string]bool, len(keys))
	for _, key := range keys {
		k.seen[key] = false
	}
}

// forget has the source be read once more.
func (k *kept) forget() {
	for key := range k.seen {
		k.seen[key] = false
	}
}

// meet reports whether edges may hold a key as their own, of which the source
// says that.
func (k *kept) meet(key []byte, now filter.Outcome) bool {
	if !k.known {
		return released(now)
	}
	_, is := k.seen[string(key)]
	if is {
		k.seen[string(key)] = true
	}
	return is
}

// putKept weighs the released keys where a source key can be delivered.
func (p *pan) putKept(sourceKey []byte, old, next filter.Outcome) {
	if p.old == nil {
		return
	}
	for _, key := range p.old.Places(sourceKey) {
		switch {
		case !p.kept.meet(key, old), old.Verdict == filter.Selected && bytes.Equal(old.Key, key):
		case next.Verdict == filter.Selected && bytes.Equal(next.Key, key):
			p.counts[p.ruleOf(key)].Held++ // and it enters
		default:
			p.leaveKept(key, p.stays(sourceKey, key, next))
		}
	}
}

// putGone weighs the released keys whose objects the source does not have any
// more. No channel can say of a policy that is new to it that they are edges'
// own.
func (p *pan) putGone() {
	for _, key := range slices.Sorted(maps.Keys(p.kept.seen)) {
		if !p.kept.seen[key] {
			p.leaveKept([]byte(key), false)
		}
	}
}

// leaveKept weighs a released key that is not selected. Edges keep it where no
// rule is about it any more.
func (p *pan) leaveKept(key []byte, stays bool) {
	at := p.ruleOf(key)
	p.counts[at].Held++
	switch {
	case at == len(p.rules):
		p.counts[at].Orphan.Add(string(key))
	case !stays:
		p.leaves(key, at)
	}
}

// askTime bounds the wait for a channel that is asked what it released.
const askTime = 10 * time.Second

// learnKept asks the channels of a scale what they released. Of one that does
// not answer, because it is about to begin or was lost, everything counts that
// it may have released.
func (t *term) learnKept(ctx context.Context, s *scale) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for _, p := range s.pans {
		if p.old == nil || p.same() {
			continue
		}
		if keys, ok := t.releasedBy(ctx, p.from); ok {
			p.kept.tell(keys)
		} else {
			t.logger.Warn("a channel does not say what it left to its edges; the plan counts all that it may have", "channel", p.from)
		}
	}
}

// releasedBy are the keys that a channel released.
func (t *term) releasedBy(ctx context.Context, channel string) (keys []string, ok bool) {
	t.mu.Lock()
	r := t.running[channel]
	t.mu.Unlock()
	if r == nil || t.trouble(channel) != nil {
		return nil, false
	}
	c := r.channel.Load()
	if c == nil {
		return nil, false
	}
	answer := make(chan []string, 1)
	select {
	case c.requests <- request{released: answer}:
	case <-ctx.Done():
		return nil, false
	}
	select {
	case keys = <-answer:
		return keys, true
	case <-r.done:
	case <-ctx.Done():
	}
	return nil, false
}

// tellReleased answers which keys the index holds as released.
func (c *channel) tellReleased(answer chan<- []string) error {
	var keys []string
	if c.index.released > 0 {
		err := c.index.each(change.Range{}, func(key []byte, e entry) error {
			if e.released {
				keys = append(keys, string(key))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	answer <- keys
	return nil
}
