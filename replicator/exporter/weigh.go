package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/etcd/source"
	"github.com/syncer-io/syncer/replicator/fault"
)

// scale weighs policies against those in force: what edges would get and lose.
// It changes nothing.
type scale struct {
	now, next roster
	only      string // edge, or "" for all
	progress  func(keys uint64)

	pans []*pan
	keys uint64 // that were read of the source
}

// pan is a channel as it is and as it would be, for the edges that go from the
// one to the other.
type pan struct {
	policy    string
	from      string // the channel as it is, "" for none
	channel   string // as it would be
	old, next *filter.Selection
	edges     []string
	kept      kept
	rules     []filter.RuleInfo // of next
	names     []string          // by rule, with leftRule at the end
	counts    []command.PlannedRule
	deletes   []uint64
}

// leftRule stands in for the rule of keys that the policy selects no more.
const leftRule = "(no longer in the policy)"

// leftGuard guards them at edges.
var leftGuard = filter.Guard{Percent: filter.DefaultGuardPercent, AtLeast: filter.DefaultGuardAtLeast}

// newScale pairs the channels of policies by name. The rosters are of the same
// edges.
func newScale(now, next roster, names []string, only string) *scale {
	s := &scale{now: now, next: next, only: only}
	found := map[[2]string]*pan{}
	take := func(policy, from, to string) *pan {
		p := found[[2]string{from, to}]
		if p == nil {
			p = newPan(policy, now.lines[from], next.lines[to])
			found[[2]string{from, to}] = p
			s.pans = append(s.pans, p)
		}
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(next.places)) {
		at := next.places[name]
		if slices.Contains(names, at.edge.Policy) && at.channel != "" && (only == "" || only == name) {
			p := take(at.edge.Policy, now.places[name].channel, at.channel)
			p.edges = append(p.edges, name)
		}
	}
	for _, policy := range names {
		weighed := slices.ContainsFunc(s.pans, func(p *pan) bool { return p.policy == policy })
		if _, shared := next.lines[policy]; shared && only == "" && !weighed {
			take(policy, policy, policy) // nobody is paired with it
		}
	}
	return s
}

func newPan(policy string, old, next line) *pan {
	p := &pan{policy: policy, from: old.name, channel: next.name, old: old.selection, next: next.selection, rules: next.selection.Rules()}
	for _, r := range p.rules {
		p.names = append(p.names, r.Name)
	}
	p.names = append(p.names, leftRule)
	p.counts = make([]command.PlannedRule, len(p.names))
	p.deletes = make([]uint64, len(p.names))
	return p
}

// same reports whether nothing changes.
func (p *pan) same() bool { return p.old != nil && p.old.Digest() == p.next.Digest() }

// scanTries is how often a scan is begun that a compaction of the source breaks.
const scanTries = 3

// weigh reads the source once, at one revision.
func (s *scale) weigh(ctx context.Context, open func(*filter.Selection) (Source, error)) (revision int64, err error) {
	for try := 1; ; try++ {
		revision, err = s.scan(ctx, open)
		var compacted *source.Compacted
		switch {
		case !errors.As(err, &compacted):
			return revision, err
		case try == scanTries:
			return 0, fault.New(fault.General, "run the command again when the source compacts less often",
				"the source was compacted %d times while it was read: %w", try, err)
		}
		for _, p := range s.pans {
			p.counts, p.deletes = make([]command.PlannedRule, len(p.names)), make([]uint64, len(p.names))
			p.kept.forget()
		}
	}
}

func (s *scale) scan(ctx context.Context, open func(*filter.Selection) (Source, error)) (int64, error) {
	var ranges []change.Range
	var src Source
	for _, p := range s.pans {
		if p.same() {
			continue
		}
		if src == nil {
			var err error
			if src, err = open(p.next); err != nil {
				return 0, err
			}
		}
		ranges = append(ranges, p.next.SourceRanges()...)
		if p.old != nil {
			ranges = append(ranges, p.old.SourceRanges()...)
		}
	}
	if src == nil {
		return 0, nil
	}
	revision, err := src.Current(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the source's revision: %w", err)
	}
	for _, r := range joined(ranges) {
		if err := src.ScanAt(ctx, r, revision, s.put); err != nil {
			return 0, err
		}
	}
	for _, p := range s.pans {
		p.putGone()
	}
	return revision, nil
}

// joined are the same keys in ranges that do not overlap.
func joined(ranges []change.Range) []change.Range {
	var out []change.Range
	for _, r := range ranges {
		out = append(out, change.Without([]change.Range{r}, out)...)
	}
	return out
}

// put weighs keys of the source.
func (s *scale) put(items []source.Item) error {
	for _, it := range items {
		for _, p := range s.pans {
			if !p.same() {
				p.put(it)
			}
		}
		s.keys++
		s.progress(s.keys)
	}
	return nil
}

func (p *pan) put(it source.Item) {
	old, next := filter.Outcome{Rule: -1}, p.next.Take(it.Key, it.Value)
	if p.old != nil {
		old = p.old.Take(it.Key, it.Value)
	}
	if next.Verdict == filter.Refused {
		p.refused(it.Key, next)
	}
	p.putKept(it.Key, old, next)
	held := old.Verdict == filter.Selected
	at := 0
	if held {
		at = p.ruleOf(old.Key)
		p.counts[at].Held++
	}
	switch {
	case next.Verdict == filter.Selected:
		p.selected(old, next, held, at)
	case held && !p.stays(it.Key, old.Key, next):
		p.leaves(old.Key, at)
	case held && next.Verdict != filter.Refused:
		p.counts[at].Orphan.Add(string(old.Key))
	}
}

// ruleOf is the place of the rule that holds a key from now on.
func (p *pan) ruleOf(key []byte) int {
	if i := filter.RuleOf(p.rules, key); i >= 0 {
		return i
	}
	return len(p.rules)
}

// stays reports whether the next channel would say that a key, where a source
// key can be delivered, is the edges' own.
func (p *pan) stays(sourceKey, key []byte, next filter.Outcome) bool {
	return released(next) && slices.ContainsFunc(p.next.Places(sourceKey), func(k []byte) bool { return bytes.Equal(k, key) })
}

func (p *pan) selected(old, next filter.Outcome, held bool, at int) {
	c := &p.counts[next.Rule]
	switch {
	case !held:
		c.Enter.Add(string(next.Key))
	case string(old.Key) != string(next.Key) && p.orphaned(old.Key, at):
		c.Enter.Add(string(next.Key))
		p.counts[at].Orphan.Add(string(old.Key))
	case string(old.Key) != string(next.Key):
		c.Move.Add(string(next.Key))
		p.deletes[at]++
	case string(old.Value) != string(next.Value):
		c.Change.Add(string(next.Key))
	default:
		return
	}
	c.Bytes += uint64(len(next.Key) + len(next.Value))
}

func (p *pan) refused(key []byte, next filter.Outcome) {
	c := &p.counts[max(next.Rule, 0)]
	c.Refuse.Add(string(key))
	if len(c.Reasons) < command.PlanSamples && !slices.Contains(c.Reasons, next.Reason) {
		c.Reasons = append(c.Reasons, next.Reason)
	}
}

// leaves counts a key that edges hold and the next channel does not.
func (p *pan) leaves(key []byte, at int) {
	if p.orphaned(key, at) {
		p.counts[at].Orphan.Add(string(key))
		return
	}
	p.counts[at].Leave.Add(string(key))
	p.deletes[at]++
}

// orphaned reports whether edges keep a key that no rule is about any more: the
// rule that it had leaves orphans.
func (p *pan) orphaned(key []byte, at int) bool {
	if at < len(p.rules) {
		return false
	}
	rules := p.old.Rules()
	i := filter.RuleOf(rules, key)
	return i >= 0 && rules[i].OnLeave == filter.LeaveOrphan
}

// changes reports whether the edges of the pan would get or lose anything.
func (p *pan) changes() bool {
	return slices.ContainsFunc(p.counts, func(c command.PlannedRule) bool {
		return c.Enter.Count+c.Leave.Count+c.Orphan.Count+c.Change.Count+c.Move.Count > 0
	})
}
