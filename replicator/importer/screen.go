package importer

import (
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// screened parks a changeset, as a whole, of which something is not accepted
// here. What is left of it stands for its revision.
func (a *applier) screened(ctx context.Context, s change.Changeset) (change.Changeset, error) {
	i, no, err := a.firstUnwanted(ctx, s.Changes)
	if err != nil || no == nil {
		return s, err
	}
	if err := a.flush(ctx); err != nil { // what is pending is older
		return s, err
	}
	if err := a.barrier(ctx); err != nil {
		return s, err
	}
	reason := fmt.Sprintf("key %q: %s", s.Changes[i].Key, no.what)
	if n := len(s.Changes); n > 1 {
		reason += fmt.Sprintf("; it came with %d other keys at one revision, which wait with it", n-1)
	}
	err = a.park(ctx, a.turnedAway(no, reason, s.Revision), slices.Clone(s.Changes))
	s.Changes = nil
	return s, err
}

func (a *applier) turnedAway(no *unwanted, reason string, revision int64) target.Parked {
	return target.Parked{Why: status.NotAccepted, Reason: reason, Try: no.try, Terms: a.im.cfg.Accept.terms(), Revision: revision}
}

func (a *applier) firstUnwanted(ctx context.Context, changes []change.Change) (int, *unwanted, error) {
	for i, c := range changes {
		no := a.im.cfg.Accept.refuses(c)
		if no == nil {
			continue
		}
		if c.Op == change.Delete {
			if held, err := a.holdsKey(ctx, c.Key); !held || err != nil {
				if err != nil {
					return 0, nil, err
				}
				continue // there is nothing that it would delete
			}
		}
		return i, no, nil
	}
	return 0, nil, nil
}

// holdsKey reports whether the target holds a value of the key.
func (a *applier) holdsKey(ctx context.Context, key []byte) (bool, error) {
	if k := a.parked.keys[string(key)]; k != nil {
		return k.Present, nil
	}
	if err := a.known(ctx); err != nil {
		return false, err
	}
	return a.table.Has(key), nil
}

// turnAway parks changes of chunks that are not accepted: a group for each line
// of edge.yaml that would have them accepted.
func (a *applier) turnAway(ctx context.Context, changes []change.Change) error {
	type group struct {
		no      *unwanted
		changes []change.Change
	}
	var groups []*group
	seen := map[string]bool{}
	for _, c := range changes {
		no := a.im.cfg.Accept.refuses(c)
		if no == nil || seen[string(c.Key)] { // a chunk that was written twice brings a key twice
			continue
		}
		seen[string(c.Key)] = true
		i := slices.IndexFunc(groups, func(g *group) bool { return *g.no == *no })
		if i < 0 {
			i, groups = len(groups), append(groups, &group{no: no})
		}
		groups[i].changes = append(groups[i].changes, c)
	}
	for _, g := range groups {
		reason := fmt.Sprintf("key %q: %s", g.changes[0].Key, g.no.what)
		if n := len(g.changes); n > 1 {
			reason += fmt.Sprintf("; and %d others", n-1)
		}
		a.setAside(a.turnedAway(g.no, reason, a.position), g.changes)
	}
	return a.parked.save(ctx, a)
}

// screenDeletes parks those deletes whose keys are not accepted here, and gives
// the others.
func (a *applier) screenDeletes(ctx context.Context, keys [][]byte) ([][]byte, error) {
	var no []change.Change
	keys = slices.DeleteFunc(keys, func(key []byte) bool {
		c := change.Change{Op: change.Delete, Key: key}
		if a.im.cfg.Accept.refuses(c) == nil {
			return false
		}
		no = append(no, c)
		return true
	})
	if len(no) == 0 {
		return keys, nil
	}
	return keys, a.turnAway(ctx, no)
}

// turnedAwayStill is the refusal of a group while the edge accepts what it did
// when the group was parked. Otherwise only the source can tell: the values are
// not here.
func (g *parkedGroup) turnedAwayStill(x Accept) *target.Refused {
	if g.Terms != x.terms() {
		return nil
	}
	return &target.Refused{Key: g.stored().Keys[0].Key, Why: g.Why, Err: fault.New(fault.Check, g.Try, "%s", g.Reason)}
}
