package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
)

// pageBytes is about what Scan gives at a time.
const pageBytes = 1 << 20

// Scan gives what the cluster has of what was applied in the ranges, in key
// order, after it was verified. An object that is as it was applied has the value
// that was delivered; one that others changed has that value with their changes;
// one that they deleted is not there. A released key holds change.Released. fn
// gets it in pieces of about a megabyte, which it may keep; its error ends the
// scan. All that was written at or below the revision that it returns is in it.
func (t *Target) Scan(ctx context.Context, ranges []change.Range, fn func([]change.KV) error) (int64, error) {
	rev, err := t.verify(ctx, ranges, nil)
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		if err := t.inventory.values(r, pageBytes, fn); err != nil {
			return 0, err
		}
	}
	t.trust(ranges)
	return rev, nil
}

// trust ends the doubt about the inventory when all of it was verified.
func (t *Target) trust(ranges []change.Range) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.ranges {
		if len(change.Without([]change.Range{s}, ranges)) > 0 {
			return
		}
	}
	t.doubt = false
}

// Diff compares the chunk with the inventory and says what Replace would change.
// It writes nothing, and asks the server nothing: what was scanned before is
// taken for true.
func (t *Target) Diff(_ context.Context, c target.Chunk) (target.Replaced, error) {
	return c.Compare(t.contains, func(fn func([]change.KV) error) error {
		for _, r := range t.selected(c.Range) {
			if err := t.inventory.values(r, pageBytes, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace makes the range hold the chunk, in commits without a cursor. When it
// fails, what it returns was nevertheless done. [*target.Rejected] says that
// everything was done but these.
func (t *Target) Replace(ctx context.Context, c target.Chunk) (target.Replaced, error) {
	plan, err := t.Diff(ctx, c)
	if err != nil {
		return target.Replaced{}, err
	}
	var changes []change.Change
	for _, kv := range plan.Put {
		changes = append(changes, change.Change{Op: change.Put, Key: kv.Key, Value: kv.Value})
	}
	if !c.Hold {
		for _, k := range plan.Deleted {
			changes = append(changes, change.Change{Op: change.Delete, Key: k})
		}
	}
	done := target.Replaced{Unchanged: plan.Unchanged, Refused: plan.Refused, Mine: plan.Mine, Deleted: plan.Deleted}
	if len(changes) == 0 {
		return done, nil
	}
	rev, err := t.Commit(ctx, target.Tx{Changes: changes, Newest: c.Newest})
	var no *target.Rejected
	if err != nil && !errors.As(err, &no) {
		return target.Replaced{Unchanged: plan.Unchanged, Refused: plan.Refused}, fmt.Errorf("apply the chunk %s: %w", c.Range, err)
	}
	refused := map[string]bool{}
	if no != nil {
		for _, r := range no.Refused {
			refused[string(r.Key)] = true
		}
		rev = t.modRev()
	}
	for _, kv := range plan.Put {
		if !refused[string(kv.Key)] {
			done.Put = append(done.Put, kv)
		}
	}
	done.Was, done.Revisions = plan.Was, []int64{rev}
	return done, err
}

// Audit verifies the ranges and says how many keys the cluster has of what was
// applied, and whether others changed one of them above since. A delete shows in
// the count only.
func (t *Target) Audit(ctx context.Context, ranges []change.Range, since int64, _ int, _ func(revision int64) bool) (target.Audit, error) {
	var a target.Audit
	rev, err := t.verify(ctx, ranges, nil)
	if err != nil {
		return a, fmt.Errorf("audit: %w", err)
	}
	a.Revision = rev
	for _, r := range ranges {
		err := t.inventory.walk(r, func(key []byte, h head) error {
			if h.Edit != nil && h.Edit.Deleted {
				return nil
			}
			a.Count++
			if a.Foreign == nil && h.Edit != nil && h.Edit.Revision > since {
				a.Foreign = key
			}
			return nil
		})
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// Before is what was applied of the key last; found is false when nothing was.
func (t *Target) Before(_ context.Context, key []byte, _ int64) (value []byte, found bool, err error) {
	r, found, err := t.inventory.get(key)
	if err != nil || !found || r.Released {
		return nil, false, err
	}
	return r.Applied, true, nil
}

// Get is what the object of the key is now, as it would be delivered, and the
// revision that wrote it, which is 0 when it does not exist. Of one that was
// never applied here it is everything but what every cluster makes of its own.
func (t *Target) Get(ctx context.Context, key []byte) (value []byte, rev int64, err error) {
	r, known, err := t.inventory.get(key)
	if err != nil {
		return nil, 0, err
	}
	n, ok := parseKey(key)
	if !ok {
		return nil, 0, nil
	}
	h := r.head
	if !known || r.Released {
		m, err := t.client.Resource(ctx, n.word)
		if meta.IsNoMatchError(err) {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		h = head{Group: m.Resource.Group, Version: m.Resource.Version, Resource: m.Resource.Resource, Namespaced: n.namespaced}
	}
	live, err := get(ctx, t.resource(h, n.namespace), n.name)
	if live == nil || err != nil {
		return nil, 0, t.client.Explain(err)
	}
	if !known || r.Released || string(live.GetUID()) != r.UID {
		value, err = intentOf(n, live)
		return value, revision(live.GetResourceVersion()), err
	}
	now, err := judge(r, live)
	if err != nil {
		return nil, 0, err
	}
	value, _ = now.value()
	return value, revision(live.GetResourceVersion()), nil
}

// intentOf is what somebody else asked for with an object.
func intentOf(n name, live *unstructured.Unstructured) ([]byte, error) {
	plural, group, _ := strings.Cut(n.word, ".")
	raw, err := json.Marshal(live.Object)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", n, err)
	}
	key := object.Key{Group: group, Resource: plural, Namespace: n.namespace, Name: n.name, Namespaced: n.namespaced}
	o, err := object.Decode(key, raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", n, err)
	}
	return canonical(o.Intent())
}

// replaced is a record whose object somebody else made anew.
func replaced(r record, live *unstructured.Unstructured) (record, error) {
	n, _ := parseKey(keyOf(r.resource().GroupResource(), live.GetNamespace(), live.GetName()))
	value, err := intentOf(n, live)
	if err != nil {
		return r, err
	}
	by := ""
	if o := owners(live); len(o) > 0 {
		by = text(o[0], "manager")
	}
	r.Edit, r.Edited = &edit{Revision: revision(live.GetResourceVersion()), By: by}, value
	r.Seen = live.GetResourceVersion()
	return r, nil
}
