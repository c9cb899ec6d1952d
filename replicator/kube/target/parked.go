package target

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// A parked group is a text that is compressed and cut into ConfigMaps. The first
// is written last and names the writing of the others, so that a group is there
// whole or not at all.
const (
	parkedFormat  = "1"
	parkedBytes   = 512 << 10 // in one ConfigMap
	fieldFormat   = "format"
	fieldID       = "id"
	fieldWriting  = "writing"
	fieldParts    = "parts"
	fieldGroup    = "group"
	mostReason    = 4 << 10
	writingDigits = 8
)

// Park stores the groups, each in the place of the one that has its ID. Errors
// are those of Commit. When it fails any of the groups may be stored; the same
// call is made again. Calls of Park and Unpark wait for each other.
func (t *Target) Park(ctx context.Context, groups []target.Parked) error {
	t.parking.Lock()
	defer t.parking.Unlock()
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.stillOurs(ctx); err != nil {
		return err
	}
	stored, err := t.parkedMaps(ctx)
	if err != nil {
		return fmt.Errorf("park %d groups: %w", len(groups), err)
	}
	for i, g := range groups {
		if slices.ContainsFunc(groups[:i], func(o target.Parked) bool { return o.ID == g.ID }) {
			return fmt.Errorf("park group %q: it is given twice", g.ID)
		}
		if err := t.parkOne(ctx, g, stored[t.groupName(g.ID)]); err != nil {
			return fmt.Errorf("park group %q: %w", g.ID, err)
		}
		delete(stored, t.groupName(g.ID))
	}
	return t.sweep(ctx, stored)
}

// Unpark removes the groups; one that is not there is none to remove. Errors are
// those of Park.
func (t *Target) Unpark(ctx context.Context, ids []string) error {
	t.parking.Lock()
	defer t.parking.Unlock()
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.stillOurs(ctx); err != nil {
		return err
	}
	stored, err := t.parkedMaps(ctx)
	if err != nil {
		return fmt.Errorf("unpark %d groups: %w", len(ids), err)
	}
	for _, id := range ids {
		s := stored[t.groupName(id)]
		if s.first != "" {
			if err := t.maps.remove(ctx, s.first); err != nil {
				return err
			}
		}
		s.first, s.writing = "", ""
		stored[t.groupName(id)] = s
	}
	return t.sweep(ctx, stored)
}

// Parked gives the stored groups, the oldest first. What a crash left of a group
// is not there. A group that is damaged, or written by a later version, is an
// error of class Safety.
func (t *Target) Parked(ctx context.Context) ([]target.Parked, error) {
	firsts, parts := map[string]*corev1.ConfigMap{}, map[string][]byte{}
	err := t.maps.list(ctx, aboutParked, func(c *corev1.ConfigMap) error {
		if _, isFirst := c.Data[fieldParts]; isFirst {
			firsts[c.Name] = c
		} else {
			parts[c.Name] = c.BinaryData[fieldGroup]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the parked groups: %w", err)
	}
	var out []target.Parked
	for _, name := range slices.Sorted(maps.Keys(firsts)) {
		g, err := groupOf(firsts[name], parts)
		if err != nil {
			return nil, damagedMap(name, err)
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b target.Parked) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func groupOf(first *corev1.ConfigMap, parts map[string][]byte) (target.Parked, error) {
	if f := first.Data[fieldFormat]; f != parkedFormat {
		return target.Parked{}, fmt.Errorf("it has format %q, and this version knows only %s", f, parkedFormat)
	}
	n, err := strconv.Atoi(first.Data[fieldParts])
	if err != nil {
		return target.Parked{}, err
	}
	raw := first.BinaryData[fieldGroup]
	for i := 1; i < n; i++ {
		part, ok := parts[partName(first.Name, first.Data[fieldWriting], i)]
		if !ok {
			return target.Parked{}, fmt.Errorf("part %d is missing", i)
		}
		raw = slices.Concat(raw, part)
	}
	text, err := change.Decompress(raw)
	if err != nil {
		return target.Parked{}, err
	}
	var g target.Parked
	if err := json.Unmarshal(text, &g); err != nil {
		return g, err
	}
	if g.ID != first.Data[fieldID] {
		return g, errors.New("it is of another group")
	}
	return g, nil
}

// parkedMap are the names of what is stored of a group.
type parkedMap struct {
	first, version, writing string
	parts                   []string
}

// groupName is the ConfigMap that tells of a group. IDs may hold letters that
// names must not.
func (t *Target) groupName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return t.maps.name(aboutParked, hex.EncodeToString(sum[:16]))
}

func partName(group, writing string, part int) string {
	return fmt.Sprintf("%s.%s.%d", group, writing, part)
}

func (t *Target) parkedMaps(ctx context.Context) (map[string]parkedMap, error) {
	out := map[string]parkedMap{}
	prefix := t.maps.name(aboutParked, "")
	err := t.maps.list(ctx, aboutParked, func(c *corev1.ConfigMap) error {
		which, _, isPart := strings.Cut(strings.TrimPrefix(c.Name, prefix+"."), ".")
		group := prefix + "." + which
		m := out[group]
		if isPart {
			m.parts = append(m.parts, c.Name)
		} else {
			m.first, m.version, m.writing = c.Name, c.ResourceVersion, c.Data[fieldWriting]
		}
		out[group] = m
		return nil
	})
	return out, err
}

func (t *Target) parkOne(ctx context.Context, g target.Parked, was parkedMap) error {
	g.Reason, g.Try = cut(g.Reason), cut(g.Try)
	g.Since = g.Since.UTC()
	text, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode it: %w", err)
	}
	raw, err := change.Compress(text)
	if err != nil {
		return err
	}
	name, writing := t.groupName(g.ID), strings.ToLower(rand.Text()[:writingDigits])
	chunks := slices.Collect(slices.Chunk(raw, parkedBytes))
	for i := len(chunks) - 1; i > 0; i-- {
		if _, err := t.maps.put(ctx, aboutParked, partName(name, writing, i), "", nil, map[string][]byte{fieldGroup: chunks[i]}); err != nil {
			return err
		}
	}
	head := map[string]string{fieldFormat: parkedFormat, fieldID: g.ID, fieldWriting: writing, fieldParts: strconv.Itoa(len(chunks))}
	if _, err := t.maps.put(ctx, aboutParked, name, was.version, head, map[string][]byte{fieldGroup: chunks[0]}); err != nil {
		return err
	}
	was.writing = "" // what it named is left over
	return t.sweep(ctx, map[string]parkedMap{name: was})
}

// sweep removes parts that no group names.
func (t *Target) sweep(ctx context.Context, stored map[string]parkedMap) error {
	for name, m := range stored {
		for _, part := range m.parts {
			if m.first != "" && m.writing != "" && strings.HasPrefix(part, name+"."+m.writing+".") {
				continue
			}
			if err := t.maps.remove(ctx, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut shortens a text, not within a letter.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), mostReason)], "")
}
