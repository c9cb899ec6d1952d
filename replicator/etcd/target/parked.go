package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/syncer-io/syncer/replicator/change"
)

// Parked is a group of changes that wait for somebody. The target holds of
// their keys what it held before. A group is stored at the target, beside the
// cursor: it is lost with the data that it is about, and only with it.
type Parked struct {
	// ID names the group: 1 to 128 letters, digits, dots, underscores and
	// hyphens.
	ID string
	// Why is one of status.MassDelete, TooLarge, Forbidden, Invalid and
	// NotAccepted.
	Why string
	// Rule is the name of the rule of a mass delete.
	Rule string
	// Reason is for people. It is cut after 4 KiB.
	Reason string
	// Try says what to do, "" when Why says it. It is cut like Reason.
	Try string
	// Terms are what the edge accepted when it was parked, of NotAccepted.
	Terms string
	// Revision is the source revision at which the group was parked.
	Revision int64
	// Of is how many keys the rule of a mass delete held.
	Of uint64
	// Since is when it was parked. It comes back in UTC.
	Since time.Time
	// Dropped says that the group is not tried again by itself.
	Dropped bool
	// Keys are the keys of the group; their order is kept.
	Keys []ParkedKey
}

// ParkedKey is a key whose change waits.
type ParkedKey struct {
	Key []byte
	// Put tells a put from a delete.
	Put bool
	// Sum is the item hash (digest.Item) of the value that the source has,
	// when Put.
	Sum [32]byte
	// Present says that the target holds some value of the key.
	Present bool
	// Size is the number of bytes of key and value at the source, when Put.
	Size uint64
}

// Park stores the groups, each in the place of the one that has its ID. The
// commits are guarded like those of Commit and carry no cursor, and they have
// the same errors. A group that is larger than one transaction appears with
// the last of its commits: until then the group that was there before counts.
// When Park fails, any of the groups may be stored; the same call is made
// again.
//
// Calls of Park and Unpark wait for each other.
func (t *Target) Park(ctx context.Context, groups []Parked) error {
	t.parking.Lock()
	defer t.parking.Unlock()
	stored, err := t.listParked(ctx)
	if err != nil {
		return fmt.Errorf("park %d groups: %w", len(groups), err)
	}
	units := [][]change.Change{stored.orphans()}
	for i, g := range groups {
		if slices.ContainsFunc(groups[:i], func(o Parked) bool { return o.ID == g.ID }) {
			return fmt.Errorf("park group %q: it is given twice", g.ID)
		}
		pages, err := t.pages(g)
		if err != nil {
			return fmt.Errorf("park group %q: %w", g.ID, err)
		}
		// All but the first page change nothing for a reader. The first one
		// makes the group whole, and takes the place of the one before.
		for _, p := range pages[1:] {
			units = append(units, []change.Change{p})
		}
		units = append(units, append(deleteAll(stored[g.ID]), pages[0]))
	}
	if err := t.commitParked(ctx, units); err != nil {
		return fmt.Errorf("park %d groups: %w", len(groups), err)
	}
	return nil
}

// Unpark removes the groups; one that is not there is none to remove. Each
// goes as a whole. Errors are those of Park.
func (t *Target) Unpark(ctx context.Context, ids []string) error {
	t.parking.Lock()
	defer t.parking.Unlock()
	stored, err := t.listParked(ctx)
	if err != nil {
		return fmt.Errorf("unpark %d groups: %w", len(ids), err)
	}
	units := [][]change.Change{stored.orphans()}
	for _, id := range ids {
		units = append(units, deleteAll(stored[id]))
		delete(stored, id) // also when it is named twice
	}
	if err := t.commitParked(ctx, units); err != nil {
		return fmt.Errorf("unpark %d groups: %w", len(ids), err)
	}
	return nil
}

// Parked gives the stored groups, the oldest first, as of one revision
// (linearizable). What a crash left of a group is not there. A group that is
// damaged, or written by a later version, is an error of class Safety.
func (t *Target) Parked(ctx context.Context) ([]Parked, error) {
	for spoiled := 1; ; spoiled++ {
		r := &groupReader{prefix: t.parkedPrefix(), twins: t.single != nil}
		_, err := t.Scan(ctx, []change.Range{change.PrefixRange([]byte(r.prefix))}, r.read)
		if errors.Is(err, rpctypes.ErrCompacted) && spoiled < maxTouched {
			continue
		}
		if err == nil {
			err = r.finish()
		}
		if err != nil {
			return nil, fmt.Errorf("read the parked groups: %w", err)
		}
		slices.SortFunc(r.groups, func(a, b Parked) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
		})
		return r.groups, nil
	}
}

func (t *Target) parkedPrefix() string {
	return Prefix + "parked/" + t.key.Source + "/" + t.key.Channel + "/"
}

// storedPages are the keys of pages, by the ID of their group.
type storedPages map[string][]pageKey

// listParked reads which pages are stored, without their content.
func (t *Target) listParked(ctx context.Context) (storedPages, error) {
	l := &keyList{t: t}
	prefix := t.parkedPrefix()
	r := change.PrefixRange([]byte(prefix))
	l.next, l.end = r.Lo, r.Hi
	out := storedPages{}
	for {
		key, err := l.read(ctx)
		if err != nil {
			return nil, t.explain(err, prefix)
		}
		if key == nil {
			return out, nil
		}
		k, err := parsePageKey(prefix, key)
		if err != nil {
			return nil, err
		}
		out[k.id] = append(out[k.id], k)
	}
}

// orphans deletes what crashes left: pages of a writing whose first page, the
// last that is written, never came.
func (s storedPages) orphans() []change.Change {
	var out []change.Change
	for id, pages := range s {
		whole := map[string]bool{}
		for _, p := range pages {
			whole[p.writing] = whole[p.writing] || p.page == 0
		}
		left := slices.DeleteFunc(slices.Clone(pages), func(p pageKey) bool { return whole[p.writing] })
		out = append(out, deleteAll(left)...)
		s[id] = slices.DeleteFunc(pages, func(p pageKey) bool { return !whole[p.writing] })
	}
	return out
}

func deleteAll(pages []pageKey) []change.Change {
	out := make([]change.Change, len(pages))
	for i, p := range pages {
		out[i] = change.Change{Op: change.Delete, Key: p.key}
	}
	return out
}

// commitParked commits the units in their order, each in one transaction, as
// many together as fit.
func (t *Target) commitParked(ctx context.Context, units [][]change.Change) error {
	room := min(t.batch, t.limits.MaxBytes-t.overhead()-cursorRoom) // less than a unit is one unit
	var open []change.Change
	size := 0
	for _, u := range units {
		n := 0
		for _, c := range u {
			n += Size(c)
		}
		if size+n > room && len(open) > 0 {
			if err := t.commitOwn(ctx, open); err != nil {
				return err
			}
			open, size = nil, 0
		}
		open, size = append(open, u...), size+n
	}
	if len(open) == 0 {
		return nil
	}
	return t.commitOwn(ctx, open)
}

// commitOwn commits changes of syncer's own keys, which Commit refuses.
func (t *Target) commitOwn(ctx context.Context, changes []change.Change) error {
	if t.single == nil { // otherwise they are written one by one, in the order of their units
		slices.SortFunc(changes, byKey)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, err := t.commit(ctx, changes, nil, nil)
	return err
}
