// Package history records every revision of an etcd with a watch of its own:
// the ground truth that the promises of a replica are checked against.
package history

import (
	"fmt"
	"maps"
	"sort"
)

// Event is one change of one key.
type Event struct {
	Key    string
	Value  string // empty for a delete
	Delete bool
}

// Apply makes the change in content.
func (e Event) Apply(content map[string]string) {
	if e.Delete {
		delete(content, e.Key)
		return
	}
	content[e.Key] = e.Value
}

// Rev is everything that changed at one revision. Keys are unique in it.
type Rev struct {
	Revision int64
	Events   []Event
}

// History is the content of an etcd at revision Base and every revision after
// it, without a gap.
type History struct {
	Base    int64
	Content map[string]string
	Revs    []Rev
}

// Last is the last revision in the history.
func (h History) Last() int64 {
	if len(h.Revs) == 0 {
		return h.Base
	}
	return h.Revs[len(h.Revs)-1].Revision
}

// After is the revisions behind a revision.
func (h History) After(revision int64) []Rev {
	i := sort.Search(len(h.Revs), func(i int) bool { return h.Revs[i].Revision > revision })
	return h.Revs[i:]
}

// At rebuilds the content at a revision between Base and Last. It costs as much
// as the history up to there.
func (h History) At(revision int64) (map[string]string, error) {
	if revision < h.Base || revision > h.Last() {
		return nil, fmt.Errorf("revision %d is not in the history of %d to %d", revision, h.Base, h.Last())
	}
	content := maps.Clone(h.Content)
	if content == nil {
		content = map[string]string{}
	}
	for _, rev := range h.Revs {
		if rev.Revision > revision {
			break
		}
		for _, e := range rev.Events {
			e.Apply(content)
		}
	}
	return content, nil
}

// Check makes sure that the history has no gap and no key twice in a revision:
// a recorder that loses a revision would accuse the replica.
func (h History) Check() error {
	next := h.Base + 1
	for _, rev := range h.Revs {
		if rev.Revision != next {
			return fmt.Errorf("history has revision %d where %d follows", rev.Revision, next)
		}
		next++
		seen := make(map[string]bool, len(rev.Events))
		for _, e := range rev.Events {
			if seen[e.Key] {
				return fmt.Errorf("history has key %q twice in revision %d", e.Key, rev.Revision)
			}
			seen[e.Key] = true
		}
	}
	return nil
}
