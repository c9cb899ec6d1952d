package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/replicator/change"
)

// listPage is how many objects are listed at a time, lookAtOnce how many are
// read at a time because their version is another.
const (
	listPage   = 500
	lookAtOnce = 8
	// fewNamespaces are listed one by one: that needs fewer rights, and reads
	// nothing of others.
	fewNamespaces = 4
)

// verify holds the inventory of the ranges against the cluster: it lists the
// versions of all objects, and looks at those that are not the ones that were
// looked at last. Afterwards the inventory says of each what it was at some
// revision at or above the one that is returned. fn, if any, is given each record
// that changed. An object that is being written is waited for.
func (t *Target) verify(ctx context.Context, ranges []change.Range, fn func(key []byte, r record)) (int64, error) {
	rev, err := t.now(ctx, head{Version: "v1", Resource: "namespaces"}, "")
	if err != nil {
		return 0, err
	}
	lists, err := t.lists(ranges) // what is applied for the first time from here on is newer
	if err != nil {
		return 0, err
	}
	v := &verifying{t: t, fn: fn}
	for _, l := range lists {
		if err := v.list(ctx, l); err != nil {
			return 0, fmt.Errorf("verify %s: %w", wordOf(l.head), err)
		}
	}
	return rev, nil // all lists are newer
}

func (t *Target) modRev() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.guard.modRev
}

// list is a part of the inventory that one list of the server is about.
type list struct {
	head      head
	namespace string            // "" is all
	known     map[string]string // key → version that was looked at last
}

// lists are the parts of the inventory, by resource.
func (t *Target) lists(ranges []change.Range) ([]*list, error) {
	type place struct {
		resource  schema.GroupVersionResource
		namespace string
	}
	by := map[place]*list{}
	var order []place
	for _, r := range ranges {
		err := t.inventory.walk(r, func(key []byte, h head) error {
			if h.Released {
				return nil
			}
			n, _ := parseKey(key)
			p := place{h.resource(), n.namespace}
			if by[p] == nil {
				by[p], order = &list{head: h, namespace: n.namespace, known: map[string]string{}}, append(order, p)
			}
			by[p].known[string(key)] = h.Seen
			if h.Leaving {
				by[p].known[string(key)] = "" // what became of it has to be looked at
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	count := map[schema.GroupVersionResource]int{}
	for _, p := range order {
		count[p.resource]++
	}
	var out []*list
	whole := map[schema.GroupVersionResource]*list{}
	for _, p := range order {
		l := by[p]
		if count[p.resource] <= fewNamespaces {
			out = append(out, l)
			continue
		}
		w := whole[p.resource]
		if w == nil {
			w = &list{head: l.head, known: map[string]string{}}
			whole[p.resource], out = w, append(out, w)
		}
		for k, s := range l.known {
			w.known[k] = s
		}
	}
	return out, nil
}

// verifying collects what is to be looked at.
type verifying struct {
	t  *Target
	fn func(key []byte, r record)
	mu sync.Mutex // of fn
}

func (v *verifying) list(ctx context.Context, l *list) error {
	for tries := 0; ; tries++ {
		err := v.listOnce(ctx, l)
		if apierrors.IsResourceExpired(err) && tries < 3 {
			continue // it took longer than the server keeps history
		}
		return v.t.client.Explain(err)
	}
}

func (v *verifying) listOnce(ctx context.Context, l *list) error {
	var other []string
	here := make(map[string]bool, len(l.known))
	next := ""
	for {
		page, err := v.page(ctx, l, next)
		if apierrors.IsNotFound(err) {
			break // the resource is not there, at least in that version
		}
		if err != nil {
			return err
		}
		for _, o := range page.Items {
			key := string(keyOf(schema.GroupResource{Group: l.head.Group, Resource: l.head.Resource}, o.Namespace, o.Name))
			if was, ours := l.known[key]; ours {
				here[key] = true
				if was != o.ResourceVersion {
					other = append(other, key)
				}
			}
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	for key := range l.known {
		if !here[key] {
			other = append(other, key)
		}
	}
	slices.Sort(other)
	return v.look(ctx, other)
}

func (v *verifying) page(ctx context.Context, l *list, next string) (*metav1.PartialObjectMetadataList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return v.t.client.Metadata.Resource(l.head.resource()).Namespace(l.namespace).List(ctx, metav1.ListOptions{Limit: listPage, Continue: next})
}

func (v *verifying) look(ctx context.Context, keys []string) error {
	looking, ctx := errgroup.WithContext(ctx)
	looking.SetLimit(lookAtOnce)
	for _, key := range keys {
		looking.Go(func() error {
			r, changed, err := v.t.settled(ctx, []byte(key))
			if err == nil && changed && v.fn != nil {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.fn([]byte(key), r)
			}
			return err
		})
	}
	return looking.Wait()
}

// errUnsettled says that an object is being written, or was just now: what is seen of
// it may be our own doing.
var errUnsettled = errors.New("the object is being written")

// settled is examine once nothing is being written. Without that an edit in
// between would be passed over, and its revision said to be known.
func (t *Target) settled(ctx context.Context, key []byte) (r record, changed bool, err error) {
	for {
		r, changed, err = t.examine(ctx, key)
		if !errors.Is(err, errUnsettled) {
			return r, changed, err
		}
		if err := t.inFlight.wait(ctx, key); err != nil {
			return record{}, false, err
		}
	}
}

// examine looks at the object of a key and notes in the inventory what it is
// now. changed reports whether others did something to it, or undid it. With
// [errUnsettled] it is left alone.
func (t *Target) examine(ctx context.Context, key []byte) (r record, changed bool, err error) {
	was, known, err := t.inventory.get(key)
	if err != nil || !known || was.Released {
		return record{}, false, err
	}
	if t.inFlight.has(key) {
		return record{}, false, errUnsettled
	}
	n, _ := parseKey(key)
	live, err := get(ctx, t.resource(was.head, n.namespace), n.name)
	if unserved(err) {
		live, err = t.getElsewhere(ctx, was.head, n)
		var w *withheld
		if live != nil || errors.As(err, &w) {
			return record{}, false, nil // it is there: what its fields are in another version does not compare
		}
	}
	if err != nil {
		return record{}, false, t.client.Explain(err)
	}
	var now record
	switch {
	case live == nil && was.Leaving: // it was our delete, which is over
		return record{}, false, t.inventory.forget(key, was.head)
	case live == nil && was.Edit != nil && was.Edit.Deleted:
		return record{}, false, nil
	case live == nil:
		var rev int64 // not below the delete, and above all that was seen before
		if rev, err = t.now(ctx, was.head, n.namespace); err == nil {
			now = deleted(was, rev)
		}
	default:
		now, err = judge(was, live)
		now.Leaving = was.Leaving && live.GetDeletionTimestamp() != nil // a finalizer holds it
	}
	if err != nil {
		return record{}, false, err
	}
	if t.inFlight.has(key) {
		return record{}, false, errUnsettled
	}
	other, err := t.inventory.unless(key, was.head, now)
	if err != nil {
		return record{}, false, err
	}
	if other {
		return record{}, false, errUnsettled
	}
	return now, !sameEdit(was, now), nil
}

func sameEdit(a, b record) bool {
	switch {
	case a.Edit == nil || b.Edit == nil:
		return a.Edit == b.Edit
	default:
		return a.Edit.Deleted == b.Edit.Deleted && string(a.Edited) == string(b.Edited)
	}
}
