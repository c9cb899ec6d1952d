package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/syncer-io/syncer/conflict"
	"github.com/syncer-io/syncer/conflict/ledger"
	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/status"
)

// conflictRule is what the policy says of the edge's changes of a key.
func (a *applier) conflictRule(key []byte) conflict.Rule {
	i := filter.RuleOf(a.rules, key)
	if i < 0 {
		return conflict.Rule{Policy: conflict.SourceWins}
	}
	return ruleOf(a.rules[i])
}

func ruleOf(r filter.RuleInfo) conflict.Rule {
	out := conflict.Rule{Policy: conflict.Policy(cmp.Or(r.Conflict, string(conflict.SourceWins)))}
	for _, i := range r.Ignore {
		out.Ignore = append(out.Ignore, conflict.Ignore{Paths: i.Paths, When: conflict.When(i.When)})
	}
	return out
}

// yields reports whether what the edge changes by a rule never stays.
func yields(r filter.RuleInfo) bool {
	return (r.Conflict == "" || r.Conflict == string(conflict.SourceWins)) && len(r.Ignore) == 0
}

// protects reports whether the edge's change of one of the keys may have to
// stay.
func (a *applier) protects(changes []change.Change) bool {
	if !slices.ContainsFunc(a.rules, func(r filter.RuleInfo) bool { return !yields(r) }) {
		return false
	}
	return slices.ContainsFunc(changes, func(c change.Change) bool {
		i := filter.RuleOf(a.rules, c.Key)
		return i >= 0 && !yields(a.rules[i])
	})
}

// revise tries keys again that hold what the edge made of them although their
// rule does not say so any more, and those over which was fought before the
// importer started.
func (a *applier) revise(ctx context.Context) error {
	var again []*parkedGroup
	for _, g := range a.parked.groups {
		if !status.Local(g.Why) && g.Why != status.Rejected {
			continue
		}
		for key := range g.keys {
			i := filter.RuleOf(a.rules, []byte(key))
			if g.Why == status.Rejected {
				if i >= 0 && a.rules[i].Recreate {
					again = append(again, g)
				}
				break
			}
			if g.Why == status.Fighting || g.Why != status.Kept && i >= 0 && yields(a.rules[i]) {
				again = append(again, g)
				break
			}
		}
	}
	for _, g := range again {
		for key := range g.keys {
			source, known, err := a.lastReplicated([]byte(key), never)
			if err != nil {
				return err
			}
			if _, err := a.onRecord(ctx, []byte(key), source, known); err != nil {
				return err
			}
			if err := a.settled([]byte(key), "the source wins by the policy"); err != nil {
				return err
			}
		}
	}
	return a.tryAgain(ctx, again)
}

// meets reports whether the edge changed one of the keys.
func (a *applier) meets(changes []change.Change) bool {
	for _, c := range changes {
		if k := a.parked.keys[string(c.Key)]; k != nil && status.Local(k.group.Why) {
			return true
		}
	}
	return false
}

// reconciled is what is written of a changeset, of which the edge changed some
// keys. A transaction of the source stays one: what is decided about one key
// holds for all of them.
func (a *applier) reconciled(ctx context.Context, s change.Changeset) (change.Changeset, error) {
	if !a.meets(s.Changes) {
		return s, nil
	}
	if err := a.barrier(ctx); err != nil {
		return s, err
	}
	if err := a.known(ctx); err != nil {
		return s, err
	}
	m, err := a.meeting(ctx, s.Revision, s.Changes, func(key []byte) bool {
		k := a.parked.keys[string(key)]
		return k != nil && status.Local(k.group.Why)
	})
	if err != nil {
		return s, err
	}
	s.Changes, err = a.decide(ctx, m, s.Revision)
	return s, err
}

// meeting is what the source changed together, beside what the edge has of it.
type meeting struct {
	cases []conflict.Case
	dirty []bool
	edits []target.Local // of those that are dirty
}

// meeting reads what the edge has of the keys, and what was replicated last of
// those that it changed, before a revision of the source.
func (a *applier) meeting(ctx context.Context, revision int64, changes []change.Change, dirty func(key []byte) bool) (meeting, error) {
	var m meeting
	for _, c := range changes {
		var value []byte
		var rev int64
		err := a.promptly(ctx, func() (err error) {
			value, rev, err = a.target.Get(ctx, c.Key)
			return err
		})
		if err != nil {
			return m, err
		}
		x := conflict.Case{Key: c.Key, Edge: conflict.Value{Present: rev > 0, Bytes: value}}
		x.Source = conflict.Value{Present: c.Op == change.Put, Bytes: c.Value}
		d, edit := dirty(c.Key), target.Local{}
		if !d {
			x.Base, x.BaseKnown = x.Edge, true
		} else if edit, err = a.dirtied(&x, rev, revision); err != nil {
			return m, err
		}
		m.cases, m.dirty, m.edits = append(m.cases, x), append(m.dirty, d), append(m.edits, edit)
	}
	return m, nil
}

// dirtied completes a case of a key that the edge changed, and that stands at a
// revision of the target. It gives the edge's edit as far as that is on record.
func (a *applier) dirtied(x *conflict.Case, at, revision int64) (edit target.Local, err error) {
	if x.Base, x.BaseKnown, err = a.lastReplicated(x.Key, revision); err != nil {
		return edit, err
	}
	records, err := a.im.ledger.List(ledger.Filter{Key: x.Key, Limit: mostTries})
	if err != nil {
		return edit, err
	}
	if !x.BaseKnown {
		x.BaseWhy = tooLong(records, revision)
	}
	edit.Revision = at
	i := slices.IndexFunc(records, func(r ledger.Record) bool { return r.LocalRevision > 0 })
	if i < 0 {
		return edit, nil
	}
	k := a.parked.keys[string(x.Key)]
	ours := k != nil && (k.group.Why == status.Merged || k.group.Why == status.Kept) // what stands there, maybe
	if r := records[i]; ours || r.Edge.Same(ledger.Of(x.Edge)) {
		edit.Revision, edit.By = r.LocalRevision, r.By
	}
	return edit, nil
}

// tooLong is why what was replicated last before a revision of the source is not
// known although it is on record, "" when that is not the reason.
func tooLong(records []ledger.Record, before int64) string {
	for _, r := range records {
		if r.Meeting && r.SourceRevision == before {
			continue // of an earlier try
		}
		if v := r.Source; v.Truncated {
			return fmt.Sprintf("it has %d bytes, and of a value %d are kept on record", v.Size, len(v.Bytes))
		}
		return ""
	}
	return ""
}

// decide gives what is written of a meeting, and sets aside what is not.
func (a *applier) decide(ctx context.Context, m meeting, revision int64) ([]change.Change, error) {
	decisions := a.verdict(m)
	var write []change.Change
	groups := make(map[string][]conflict.Case)
	reason := ""
	for i, c := range m.cases {
		d, rule := decisions[i], a.conflictRule(c.Key)
		delete(a.merging, string(c.Key)) // of an earlier try
		if (m.dirty[i] || d.Type == conflict.Group) && !equal(c.Edge, c.Source) {
			group := int64(0)
			if len(m.cases) > 1 {
				group = revision
			}
			a.note(d, rule, c, m.edits[i], revision, group)
			a.notes[len(a.notes)-1].Meeting = true
		}
		reason = cmp.Or(reason, d.Reason)
		switch d.Outcome {
		case conflict.TakeSource:
			write = append(write, changeTo(c.Key, c.Source))
		case conflict.WriteMerged:
			groups[status.Merged] = append(groups[status.Merged], c)
			a.merging[string(c.Key)] = struct{}{}
			write = append(write, changeTo(c.Key, d.Write))
		case conflict.KeepEdge:
			groups[whyKept(rule)] = append(groups[whyKept(rule)], c)
		default:
			groups[status.Conflict] = append(groups[status.Conflict], c)
		}
	}
	for why, cases := range groups {
		a.setGroupApart(why, reason, cases)
	}
	if err := a.keepNotes(); err != nil {
		return nil, err
	}
	for i, c := range m.cases {
		if !m.dirty[i] || decisions[i].Outcome == conflict.Hold {
			continue
		}
		if err := a.settled(c.Key, "the source changed it again"); err != nil {
			return nil, err
		}
	}
	return write, a.parked.save(ctx, a)
}

// verdict is what becomes of each key.
func (a *applier) verdict(m meeting) []conflict.Decision {
	members := make([]conflict.Member, len(m.cases))
	for i, c := range m.cases {
		members[i] = conflict.Member{Rule: a.conflictRule(c.Key), Case: c}
	}
	return conflict.DecideGroup(members...)
}

// never is before no revision of the source.
const never = -1

// mostTries bounds how many decisions about one change of the source are looked
// at.
const mostTries = 100

// lastReplicated is what was replicated last of a key that the edge changed,
// before a revision of the source. That revision may have been decided about
// already, in vain: somebody wrote meanwhile, or the importer ended.
//
// What is on record of a key whose last changes were no conflicts is too old.
func (a *applier) lastReplicated(key []byte, before int64) (v conflict.Value, known bool, err error) {
	records, err := a.im.ledger.List(ledger.Filter{Key: key, Limit: mostTries})
	if err != nil || len(records) == 0 {
		return v, false, err
	}
	meets := func(r ledger.Record) bool { return r.Meeting && r.SourceRevision == before }
	inVain := slices.IndexFunc(records, meets)
	for i := inVain; i >= 0 && i < len(records) && records[i].SourceRevision <= before; i++ {
		if meets(records[i]) {
			v, known = records[i].Base.Value() // of the first of them
		}
	}
	if inVain >= 0 {
		return v, known, nil
	}
	v, known = records[0].Source.Value()
	if k := a.parked.keys[string(key)]; k != nil && (v.Present != k.Put || changeSum(string(key), v) != k.Sum) {
		known = false
	}
	return v, known, nil
}

// note has a decision recorded, with the next keepNotes.
func (a *applier) note(d conflict.Decision, rule conflict.Rule, c conflict.Case, l target.Local, revision, group int64) {
	name := ""
	if i := filter.RuleOf(a.rules, c.Key); i >= 0 {
		name = a.rules[i].Name
	}
	if d.Type.Conflict() {
		a.im.view.met(d.Type)
	}
	a.im.logger.Info("the edge changed a key that is replicated", "key", string(c.Key), "type", string(d.Type), "outcome", string(d.Outcome), "policy", string(rule.Policy), "by", l.By)
	r := ledger.Record{
		Time: time.Now().UTC(), Key: c.Key, Type: d.Type, Policy: rule.Policy, Rule: name, Outcome: d.Outcome, Reason: d.Reason,
		Fields: d.Fields, Kept: d.Kept, Base: ledger.Value{Unknown: true}, Edge: ledger.Of(c.Edge), Source: ledger.Of(c.Source),
		SourceRevision: revision, LocalRevision: l.Revision, By: l.By, Group: group, Open: d.Outcome == conflict.Hold,
	}
	if c.BaseKnown {
		r.Base = ledger.Of(c.Base)
	}
	a.notes = append(a.notes, r)
}

// keepNotes records what was decided. It comes before what is decided is done: a
// value that is written over is on record first.
func (a *applier) keepNotes() error {
	if _, err := a.im.ledger.Append(a.notes...); err != nil {
		a.im.stale.Store(true) // what is set apart and not on record is decided about again
		return fmt.Errorf("record %d conflicts: %w", len(a.notes), err)
	}
	a.notes = nil
	return nil
}

// settled notes that nothing is open about a key any more.
func (a *applier) settled(key []byte, how string) error {
	if err := a.im.ledger.Settle(key, how); err != nil {
		return fmt.Errorf("record that key %q is settled: %w", key, err)
	}
	return nil
}

// mine says which keys a chunk does not write over: while no watch told of them,
// those that the edge may have made, by a rule that lets it keep them. nil when
// there are none.
func (a *applier) mine() func(local change.KV) bool {
	if a.sight != nil {
		return nil // what the edge changed is set aside already
	}
	for _, r := range a.rules {
		if !yields(r) {
			return func(local change.KV) bool {
				i := filter.RuleOf(a.rules, local.Key)
				return i >= 0 && !yields(a.rules[i]) && !change.IsReleased(local.Value)
			}
		}
	}
	return nil
}

// claimed decides about keys that a chunk did not write over.
func (a *applier) claimed(ctx context.Context, changes []change.Change) error {
	for _, c := range changes {
		var rev int64
		err := a.promptly(ctx, func() (err error) {
			_, rev, err = a.target.Get(ctx, c.Key)
			return err
		})
		if err != nil {
			return err
		}
		// What stood there when others were last seen is ours, and old.
		edge := rev > 0 && (a.lost == 0 || rev > a.lost && !a.auditor.ours(rev))
		if err := a.rejoinOne(ctx, c, edge); err != nil {
			return err
		}
	}
	return nil
}

// rejoined decides about keys that the edge changed, and of which a chunk has
// something new.
func (a *applier) rejoined(ctx context.Context) error {
	changes := a.rejoin
	a.rejoin = nil
	if len(changes) == 0 {
		return nil
	}
	if err := a.barrier(ctx); err != nil {
		return err
	}
	for _, c := range changes {
		if err := a.rejoinOne(ctx, c, true); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) rejoinOne(ctx context.Context, c change.Change, edge bool) error {
	for first := (*conflict.Case)(nil); ; {
		m, err := a.meeting(ctx, never, []change.Change{c}, func([]byte) bool { return edge })
		if err != nil {
			return err
		}
		if x := &m.cases[0]; first == nil {
			first = x
		} else if edge { // by now the source's new value is on record
			x.Base, x.BaseKnown, x.BaseWhy = first.Base, first.BaseKnown, first.BaseWhy
		}
		write, err := a.decide(ctx, m, a.position)
		if err != nil {
			return err
		}
		if len(write) == 0 {
			return nil
		}
		dirty, err := a.dirty(ctx, a.commit(ctx, write, a.standing()))
		if refusal(err) {
			return a.refuseEach(ctx, write)
		}
		if !dirty || err != nil {
			return err
		}
	}
}
