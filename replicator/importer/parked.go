package importer

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/digest"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/status"
)

// parked are the keys whose changes wait for somebody. The target holds them as
// it did before; digests count of them what the source has.
//
// The groups are stored at the target before the cursor passes their revision,
// so that a crash in between parks them again. A later change of a key, whoever
// brings it, takes the key out of its group. The target hears of that with the
// next heartbeat: a large group would cost too much with each of its keys.
type parked struct {
	groups []*parkedGroup
	keys   map[string]*parkedKey
	sorted []*parkedKey // all keys in order; nil when that is not known
	gone   []string     // groups that are to be removed at the target
}

type parkedGroup struct {
	target.Parked // without its keys
	keys          map[string]*parkedKey
	dirty         bool // the target holds another state of it
}

type parkedKey struct {
	target.ParkedKey
	group *parkedGroup
}

func newParked(groups []target.Parked) *parked {
	p := &parked{keys: make(map[string]*parkedKey)}
	for _, g := range groups {
		p.add(g)
	}
	return p
}

// add takes a group. A key that waits in another one leaves that.
func (p *parked) add(g target.Parked) {
	group := &parkedGroup{Parked: g, keys: make(map[string]*parkedKey, len(g.Keys))}
	group.Keys = nil
	for _, k := range g.Keys {
		p.release(k.Key)
		key := &parkedKey{ParkedKey: k, group: group}
		group.keys[string(k.Key)], p.keys[string(k.Key)] = key, key
	}
	p.groups, p.sorted = append(p.groups, group), nil
}

func (p *parked) has(key []byte) bool { return p.keys[string(key)] != nil }

// release takes a key out of its group, if it waits in one: a later change
// counts. save brings that to the target, or, when it was the last key,
// saveGone.
func (p *parked) release(key []byte) {
	k := p.keys[string(key)]
	if k == nil {
		return
	}
	delete(p.keys, string(key))
	delete(k.group.keys, string(key))
	p.sorted, k.group.dirty = nil, true
	if len(k.group.keys) == 0 {
		p.remove(k.group)
	}
}

// remove forgets a group with its keys.
func (p *parked) remove(g *parkedGroup) {
	for key := range g.keys {
		delete(p.keys, key)
	}
	p.groups = slices.DeleteFunc(p.groups, func(o *parkedGroup) bool { return o == g })
	p.gone, p.sorted = append(p.gone, g.ID), nil
}

func (p *parked) find(id string) *parkedGroup {
	i := slices.IndexFunc(p.groups, func(g *parkedGroup) bool { return g.ID == id })
	if i < 0 {
		return nil
	}
	return p.groups[i]
}

// all are the keys in order.
func (p *parked) all() []*parkedKey {
	if p.sorted == nil {
		for _, k := range p.keys {
			p.sorted = append(p.sorted, k)
		}
		slices.SortFunc(p.sorted, func(a, b *parkedKey) int { return bytes.Compare(a.Key, b.Key) })
	}
	return p.sorted
}

// in are the keys of a range, in order.
func (p *parked) in(r change.Range) []*parkedKey {
	all := p.all()
	lo, _ := slices.BinarySearchFunc(all, r.Lo, byKeyOf)
	hi := len(all)
	if len(r.Hi) > 0 {
		hi, _ = slices.BinarySearchFunc(all, r.Hi, byKeyOf)
	}
	if lo >= hi {
		return nil
	}
	return all[lo:hi]
}

// count is how many keys of a range wait for somebody, and how many for nobody.
func (p *parked) count(r change.Range) (waiting, settled int) {
	for _, k := range p.in(r) {
		if status.Settled(k.group.Why) {
			settled++
		} else {
			waiting++
		}
	}
	return waiting, settled
}

func byKeyOf(k *parkedKey, key []byte) int { return bytes.Compare(k.Key, key) }

func (p *parked) overlay(ranges []change.Range) *overlay {
	o := &overlay{}
	for _, r := range ranges {
		o.keys = append(o.keys, p.in(r)...)
	}
	slices.SortFunc(o.keys, func(a, b *parkedKey) int { return bytes.Compare(a.Key, b.Key) })
	return o
}

// surplus is how many more keys the target holds of a selection than digests
// count.
func (p *parked) surplus(selects func(key []byte) bool) (n int) {
	for _, k := range p.keys {
		switch {
		case !selects(k.Key):
		case k.Present && !k.Put:
			n++
		case !k.Present && k.Put:
			n--
		}
	}
	return n
}

// stored is the group as the target stores it.
func (g *parkedGroup) stored() target.Parked {
	out := g.Parked
	for _, k := range g.keys {
		out.Keys = append(out.Keys, k.ParkedKey)
	}
	slices.SortFunc(out.Keys, func(a, b target.ParkedKey) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

// saveGone is save when a group is to be removed.
func (p *parked) saveGone(ctx context.Context, a *applier) error {
	if len(p.gone) == 0 {
		return nil
	}
	return p.save(ctx, a)
}

// save brings what changed to the target, and to the report.
func (p *parked) save(ctx context.Context, a *applier) error {
	var groups []target.Parked
	for _, g := range p.groups {
		if g.dirty {
			groups = append(groups, g.stored())
		}
	}
	if len(groups)+len(p.gone) == 0 {
		return nil
	}
	err := a.promptly(ctx, func() error {
		if len(p.gone) > 0 {
			failpoint.Hit(failpoint.UnparkBefore)
			if err := a.target.Unpark(ctx, p.gone); err != nil {
				return err
			}
			failpoint.Hit(failpoint.UnparkAfter)
		}
		if len(groups) == 0 {
			return nil
		}
		failpoint.Hit(failpoint.ParkBefore)
		err := a.target.Park(ctx, groups)
		failpoint.Hit(failpoint.ParkAfter)
		return err
	})
	if err != nil {
		return err
	}
	p.gone = nil
	for _, g := range p.groups {
		g.dirty = false
	}
	a.im.view.park(p)
	return nil
}

// staying are the keys of a chunk's range that go on waiting, because the
// source has of them what it had when they were parked. The others are
// released: what the chunk says of them is written, if it is not there already.
func (a *applier) staying(c change.Chunk, kept func(digest.Sum) bool) map[string]struct{} {
	var stays map[string]struct{}
	for _, k := range slices.Clone(a.parked.in(c.Range)) {
		item, has := chunkItem(c, k.Key)
		if !has && k.Put && kept(k.Sum) {
			item, has = k.Sum, true
		}
		same := has == k.Put && (!has || item == k.Sum)
		local := status.Local(k.group.Why)
		if same || local {
			if stays == nil {
				stays = make(map[string]struct{})
			}
			stays[string(k.Key)] = struct{}{}
		}
		switch {
		case same:
			continue
		case local: // what the source has now meets what the edge made of it
			a.rejoin = append(a.rejoin, chunkChange(c, k.Key))
			continue
		case has:
			a.wrotePut(k.Key, item)
		case !k.Present:
			a.wroteDelete(k.Key)
		}
		a.parked.release(k.Key)
	}
	return stays
}

func chunkChange(c change.Chunk, key []byte) change.Change {
	i, ok := slices.BinarySearchFunc(c.KVs, key, func(kv change.KV, key []byte) int { return bytes.Compare(kv.Key, key) })
	if !ok {
		return change.Change{Op: change.Delete, Key: bytes.Clone(key)}
	}
	return change.Change{Op: change.Put, Key: bytes.Clone(key), Value: c.KVs[i].Value}
}

func chunkItem(c change.Chunk, key []byte) (digest.Sum, bool) {
	i, ok := slices.BinarySearchFunc(c.KVs, key, func(kv change.KV, key []byte) int { return bytes.Compare(kv.Key, key) })
	if !ok {
		return digest.Sum{}, false
	}
	return digest.Item(key, c.KVs[i].Value), true
}

// tellParked has a task tell of the keys of a group, a page of them.
func (a *applier) tellParked(t *task) {
	g := a.parked.find(t.command.Groups[0])
	if g == nil {
		t.shown.Reason, t.shown.Try = fmt.Sprintf("no group %s is parked", t.command.Groups[0]), "syncer parked list"
		return
	}
	size := 0
	for _, k := range g.stored().Keys {
		if bytes.Compare(k.Key, t.command.After) <= 0 {
			continue
		}
		if size += len(k.Key); size > command.MaxParkedKeys && len(t.shown.ParkedKeys) > 0 {
			t.shown.More = true
			return
		}
		t.shown.ParkedKeys = append(t.shown.ParkedKeys, k.Key)
	}
}

// asks reports whether the guard asks about the group.
func (g *parkedGroup) asks() bool { return g.Why == status.MassDelete && !g.Dropped }

// report is what a status tells of the groups, those first about which the guard
// asks, then the oldest, and how many keys wait in all. Groups about which nobody
// has to do anything are only counted.
func (p *parked) report() (groups []status.Parked, keys, settled int) {
	order := slices.DeleteFunc(slices.Clone(p.groups), func(g *parkedGroup) bool {
		if status.Settled(g.Why) {
			settled += len(g.keys)
		}
		return status.Settled(g.Why)
	})
	slices.SortStableFunc(order, func(a, b *parkedGroup) int {
		switch {
		case a.asks() == b.asks():
			return 0
		case a.asks():
			return -1
		default:
			return 1
		}
	})
	for _, g := range order {
		if len(groups) == status.MaxParked {
			break
		}
		s := status.Parked{
			ID: g.ID, Why: g.Why, Reason: g.Reason, Try: g.Try, Rule: g.Rule, Revision: g.Revision,
			Keys: len(g.keys), Of: g.Of, Since: g.Since, Dropped: g.Dropped,
		}
		for _, k := range g.stored().Keys[:min(len(g.keys), status.MaxSample)] {
			s.Sample = append(s.Sample, k.Key[:min(len(k.Key), sampleKeyBytes)])
		}
		groups = append(groups, s)
	}
	return groups, len(p.keys) - settled, settled
}

// sampleKeyBytes bounds one key of a report.
const sampleKeyBytes = 256
