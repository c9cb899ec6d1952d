package exporter

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/syncer-io/syncer/replicator/change"
)

// A chunk that was read at one revision and brought forward by the changes
// since is the content at the newest of them, whenever in between it was read.
func TestOverlayIsTheContentLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := map[string]string{}
		read := rapid.Int64Range(0, 40).Draw(t, "read at")
		var chunk []change.KV
		var since []recorded
		for revision := int64(1); revision <= 40; revision++ {
			if revision == read+1 {
				chunk = sorted(content)
			}
			c := draw(t, revision)
			since = append(since, recorded{revision: revision, change: c})
			if c.Op == change.Put {
				content[string(c.Key)] = string(c.Value)
			} else {
				delete(content, string(c.Key))
			}
		}
		if read == 40 {
			chunk = sorted(content)
		}
		got, want := overlay(chunk, read, since), sorted(content)
		if !slices.EqualFunc(got, want, func(a, b change.KV) bool {
			return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
		}) {
			t.Fatalf("read at %d: got %s, want %s", read, got, want)
		}
	})
}

func draw(t *rapid.T, revision int64) change.Change {
	key := []byte{'k', byte('0' + rapid.IntRange(0, 9).Draw(t, "key"))}
	if rapid.Bool().Draw(t, "delete") {
		return change.Change{Op: change.Delete, Key: key}
	}
	return change.Change{Op: change.Put, Key: key, Value: fmt.Append(nil, revision)}
}

func sorted(content map[string]string) []change.KV {
	var out []change.KV
	for k, v := range content {
		out = append(out, change.KV{Key: []byte(k), Value: []byte(v)})
	}
	slices.SortFunc(out, func(a, b change.KV) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

// Partial changesets carry every change of the whole one, in its order, and
// only the last one closes the revision.
func TestSplitCarriesEverything(t *testing.T) {
	whole := change.Changeset{Revision: 7}
	for i := range 3000 {
		whole.Changes = append(whole.Changes, change.Change{
			Op: change.Put, Key: fmt.Appendf(nil, "/k/%05d", i), Value: bytes.Repeat([]byte{'v'}, 8<<10),
		})
	}
	parts := split(whole)
	if len(parts) < 3 {
		t.Fatalf("%d bytes make only %d parts", whole.Size(), len(parts))
	}
	var again []change.Change
	for i, p := range parts {
		last := i == len(parts)-1
		if p.Revision != 7 || p.Partial == last || p.Size() > partialBytes {
			t.Errorf("part %d: revision %d, partial %v, %d bytes", i, p.Revision, p.Partial, p.Size())
		}
		again = append(again, p.Changes...)
	}
	if !slices.EqualFunc(again, whole.Changes, func(a, b change.Change) bool { return bytes.Equal(a.Key, b.Key) }) {
		t.Error("the parts do not carry the changes of the whole")
	}
	if small := (change.Changeset{Revision: 8, Changes: whole.Changes[:2]}); len(split(small)) != 1 || split(small)[0].Partial {
		t.Error("a small changeset is cut")
	}
}
