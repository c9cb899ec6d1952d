package target

import (
	"errors"
	"fmt"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/fault"
)

// groupReader puts groups together from their pages, which come in the order
// of their keys: by group, by writing, by number.
type groupReader struct {
	prefix string
	twins  bool // a crash may leave a group twice, of which either will do
	groups []Parked
	// The writing whose pages are coming. Without a head it is what a crash
	// left, and passed over.
	at   pageKey
	head *groupHead
	next int
	keys []ParkedKey
}

func (r *groupReader) read(kvs []change.KV) error {
	for _, kv := range kvs {
		k, err := parsePageKey(r.prefix, kv.Key)
		if err != nil {
			return err
		}
		if k.id != r.at.id || k.writing != r.at.writing {
			if err := r.finish(); err != nil {
				return err
			}
		}
		r.at = k
		if k.page != 0 && r.head == nil {
			continue
		}
		if err := r.take(k, kv.Value); err != nil {
			return r.damaged(err)
		}
	}
	return nil
}

// take adds the next page of a writing.
func (r *groupReader) take(k pageKey, value []byte) error {
	p, err := decodePage(value)
	switch {
	case err != nil:
		return err
	case (k.page == 0) != (p.Group != nil):
		return fmt.Errorf("page 0, and no other, tells of the group")
	case k.page != r.next:
		return fmt.Errorf("page %d is missing", r.next)
	case k.page == 0:
		r.head = p.Group
	}
	r.next++
	r.keys = append(r.keys, p.keys()...)
	return nil
}

// finish ends the writing whose pages came.
func (r *groupReader) finish() error {
	h, n := r.head, len(r.groups)
	switch {
	case h == nil:
		return nil
	case r.next != h.Pages || len(r.keys) != h.Keys:
		return r.damaged(fmt.Errorf("%d keys on %d pages, want %d on %d", len(r.keys), r.next, h.Keys, h.Pages))
	case n > 0 && r.groups[n-1].ID == r.at.id && r.twins:
		r.groups = r.groups[:n-1]
	case n > 0 && r.groups[n-1].ID == r.at.id:
		return r.damaged(errors.New("the group is there twice"))
	}
	r.groups = append(r.groups, Parked{
		ID: r.at.id, Why: h.Why, Rule: h.Rule, Reason: h.Reason, Try: h.Try, Terms: h.Terms, Revision: h.Revision, Of: h.Of,
		Since: h.Since.UTC(), Dropped: h.Dropped, Keys: r.keys,
	})
	r.head, r.next, r.keys = nil, 0, nil
	return nil
}

// damaged keeps an error that has a remedy of its own: a later format.
func (r *groupReader) damaged(err error) error {
	if fault.Try(err) != "" {
		return fmt.Errorf("the parked group at %s: %w", r.at.key, err)
	}
	return damagedGroup(string(r.at.key), r.prefix+r.at.id+"/", err)
}
