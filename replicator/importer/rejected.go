package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
)

// A target that takes objects one by one says which of a transaction it refuses.
// These are parked, and no others wait with them: their revision is not atomic
// at such a target.

// rejection is a change with the refusal of it.
type rejection struct {
	change  change.Change
	refused target.Refused
}

// rejections are those of the changes that the error names, and the rest; ok is
// false when it names none of them.
func rejections(changes []change.Change, err error) (no []rejection, rest []change.Change, ok bool) {
	var rejected *target.Rejected
	if !errors.As(err, &rejected) {
		return nil, changes, false
	}
	refused := make(map[string]target.Refused, len(rejected.Refused))
	for _, r := range rejected.Refused {
		refused[string(r.Key)] = r
	}
	for _, c := range changes {
		if r, is := refused[string(c.Key)]; is {
			no = append(no, rejection{c, r})
		} else {
			rest = append(rest, c)
		}
	}
	return no, rest, len(no) > 0
}

// parkRejected parks changes that the target refuses, but for those of which the
// object may be made anew. Those that it refuses in the same words wait in one
// group: what ends that ends it for all.
func (a *applier) parkRejected(ctx context.Context, no []rejection, revision int64) error {
	if err := a.known(ctx); err != nil {
		return err
	}
	no, err := a.recreated(ctx, no)
	if err != nil || len(no) == 0 {
		return err
	}
	a.setRejected(no, revision)
	return a.parked.save(ctx, a)
}

// setRejected is parkRejected before it is stored.
func (a *applier) setRejected(no []rejection, revision int64) {
	type words struct{ why, text, try string }
	groups := map[words][]change.Change{}
	var order []words
	for _, n := range no {
		w := words{n.refused.Why, n.refused.Err.Error(), fault.Try(n.refused.Err)}
		if groups[w] == nil {
			order = append(order, w)
		}
		same := func(c change.Change) bool { return string(c.Key) == string(n.change.Key) } // two chunks may bring one key
		groups[w] = append(slices.DeleteFunc(groups[w], same), n.change)
	}
	for _, w := range order {
		changes := groups[w]
		reason := fmt.Sprintf("key %q: %s", changes[0].Key, w.text)
		if len(changes) > 1 {
			reason += fmt.Sprintf("; and %d others", len(changes)-1)
		}
		a.setAside(target.Parked{Why: w.why, Reason: reason, Try: w.try, Revision: revision}, changes)
	}
}

// recreated makes objects anew of which a field cannot be changed in place, where
// their rule says so, and gives what is left: a crash between the two steps leaves
// an object that is missing, and comes back with its change.
func (a *applier) recreated(ctx context.Context, no []rejection) (left []rejection, err error) {
	for _, n := range no {
		i := filter.RuleOf(a.rules, n.change.Key)
		if !n.refused.Immutable || i < 0 || !a.rules[i].Recreate {
			left = append(left, n)
			continue
		}
		a.im.logger.Warn("an object is deleted and made anew, because a field of it cannot be changed", "key", string(n.change.Key), "cause", n.refused.Err.Error())
		for _, c := range []change.Change{{Op: change.Delete, Key: n.change.Key}, n.change} {
			tx := target.Tx{Changes: []change.Change{c}}
			if a.sight != nil && c.Op == change.Delete {
				tx.Newest = a.sight.newest // an edit that nobody has seen does not go with it
			}
			var rev int64
			err := a.offer(ctx, func() (err error) {
				rev, err = a.target.Commit(ctx, tx)
				return err
			})
			if again, _, ok := rejections([]change.Change{c}, err); ok {
				left = append(left, again...)
				break
			}
			if err != nil {
				return nil, fmt.Errorf("make key %q anew: %w", c.Key, err)
			}
			a.auditor.wrote(rev, 1)
			a.wroteAll(rev, []change.Change{c})
		}
	}
	return left, nil
}
