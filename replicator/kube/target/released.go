package target

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// A released key is the edge's own: as long as it is one it counts as holding
// change.Released, whatever its object is. Which keys are released stands in a
// few ConfigMaps, each of those keys whose sums begin alike; the inventory has a
// copy.

const releasedShards = 16

const releasedField = "keys"

func shardOf(key []byte) int {
	sum := sha256.Sum256(key)
	return int(sum[0]) % releasedShards
}

// release makes keys the edge's own, and takes that back of all others that are
// about to change.
func (t *Target) release(ctx context.Context, keys [][]byte, changes []change.Change) error {
	var writes []write
	shards := map[int]bool{}
	for _, c := range changes {
		h, known, err := t.inventory.head(c.Key)
		if err != nil {
			return err
		}
		is := known && h.Released
		should := slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(c.Key) })
		if is == should {
			continue
		}
		shards[shardOf(c.Key)] = true
		w := write{key: c.Key, forget: true}
		if should {
			w.record = &record{head: head{Released: true}}
		}
		writes = append(writes, w)
	}
	return t.reshard(ctx, shards, writes)
}

// reshard writes the ConfigMaps first: a crash in between has the same changes
// come again.
func (t *Target) reshard(ctx context.Context, shards map[int]bool, writes []write) error {
	if len(writes) == 0 {
		return nil
	}
	change := map[string]bool{}
	for _, w := range writes {
		change[string(w.key)] = w.record != nil
	}
	for s := range shards {
		if err := t.writeShard(ctx, s, change); err != nil {
			return err
		}
	}
	return t.inventory.save(writes)
}

func (t *Target) writeShard(ctx context.Context, shard int, change map[string]bool) error {
	name := t.maps.name(aboutReleased, strconv.Itoa(shard))
	for {
		c, err := t.maps.get(ctx, name)
		if err != nil {
			return err
		}
		keys, version := []string{}, ""
		if c != nil {
			version = c.ResourceVersion
			if keys, err = releasedKeys(c); err != nil {
				return err
			}
		}
		keys = slices.DeleteFunc(keys, func(k string) bool { _, changes := change[k]; return changes })
		for k, released := range change {
			if released && shardOf([]byte(k)) == shard {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		raw, err := encodeKeys(keys)
		if err != nil {
			return err
		}
		_, err = t.maps.put(ctx, aboutReleased, name, version, nil, map[string][]byte{releasedField: raw})
		if !errors.Is(err, errChanged) {
			return err
		}
		if err := t.stillOurs(ctx); err != nil {
			return err
		}
	}
}

// Keys may hold any byte, so they are not written as text.
func encodeKeys(keys []string) ([]byte, error) {
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = []byte(k)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the released keys: %w", err)
	}
	return change.Compress(raw)
}

func releasedKeys(c *corev1.ConfigMap) ([]string, error) {
	raw, err := change.Decompress(c.BinaryData[releasedField])
	var list [][]byte
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		return nil, damagedMap(c.Name, err)
	}
	out := make([]string, len(list))
	for i, k := range list {
		out[i] = string(k)
	}
	return out, nil
}

// damagedMap names the ConfigMap that is wrong, and what to delete.
func damagedMap(name string, err error) error {
	return fault.New(fault.Safety, fmt.Sprintf("if nobody can say why it was edited: kubectl -n %s delete configmap %s; its keys are then compared and repaired", Namespace, name),
		"the ConfigMap %s/%s is not readable: %w", Namespace, name, err)
}

// learnReleased brings the inventory's copy in line.
func (t *Target) learnReleased(ctx context.Context) error {
	is := map[string]bool{}
	err := t.maps.list(ctx, aboutReleased, func(c *corev1.ConfigMap) error {
		keys, err := releasedKeys(c)
		for _, k := range keys {
			is[k] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	var writes []write
	err = t.inventory.walk(change.Range{}, func(key []byte, h head) error {
		if h.Released && !is[string(key)] {
			writes = append(writes, write{key: key, forget: true, untouched: true})
		}
		if h.Released {
			delete(is, string(key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k := range is {
		writes = append(writes, write{key: []byte(k), record: &record{head: head{Released: true}}, untouched: true})
	}
	return t.inventory.save(writes)
}

// Disown forgets which keys of the ranges are released. The objects stay as they
// are. Errors are those of Commit; when it fails some may be forgotten.
func (t *Target) Disown(ctx context.Context, ranges []change.Range) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.stillOurs(ctx); err != nil {
		return err
	}
	var writes []write
	shards := map[int]bool{}
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		err := t.inventory.walk(r, func(key []byte, h head) error {
			if h.Released {
				writes = append(writes, write{key: key, forget: true})
				shards[shardOf(key)] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := t.reshard(ctx, shards, writes); err != nil {
		return fmt.Errorf("forget the released keys: %w", err)
	}
	return nil
}
