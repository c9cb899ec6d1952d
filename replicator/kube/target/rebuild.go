package target

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/syncer-io/syncer/filter"
	"github.com/syncer-io/syncer/replicator/change"
)

// rebuild makes the inventory anew from what the field manager owns in the
// cluster: that is what was applied last. What differs from what it should be is
// then found by comparing with the source, and applied.
func (t *Target) rebuild(ctx context.Context, of about) error {
	all, err := t.client.Listable(ctx)
	if err != nil {
		return fmt.Errorf("make the inventory anew: %w", err)
	}
	found := 0
	for _, m := range all {
		word := wordOf(head{Group: m.Resource.Group, Resource: m.Resource.Resource})
		below := change.PrefixRange([]byte(filter.ObjectPrefix + word + "/"))
		if len(t.selectedIn(below)) == 0 {
			continue
		}
		n, err := t.rebuildResource(ctx, m)
		if err != nil {
			return fmt.Errorf("make the inventory anew: %s: %w", word, err)
		}
		found += n
	}
	if found > 0 {
		t.log.InfoContext(ctx, "the inventory is made anew from what the cluster says", "objects", found)
	}
	return t.inventory.built(of)
}

// selectedIn is selected without empty parts.
func (t *Target) selectedIn(r change.Range) []change.Range {
	return slices.DeleteFunc(t.selected(r), change.Range.Empty)
}

func (t *Target) rebuildResource(ctx context.Context, m *meta.RESTMapping) (found int, err error) {
	h := head{Group: m.Resource.Group, Version: m.Resource.Version, Resource: m.Resource.Resource, Namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}
	next := ""
	for {
		page, err := t.rebuildPage(ctx, m.Resource, next)
		if err != nil {
			return found, t.client.Explain(err)
		}
		var writes []write
		for i := range page.Items {
			w, ok, err := t.remembered(h, &page.Items[i])
			if err != nil {
				return found, err
			}
			if ok {
				writes = append(writes, w)
			}
		}
		if err := t.inventory.save(writes); err != nil {
			return found, err
		}
		found += len(writes)
		if next = page.GetContinue(); next == "" {
			return found, nil
		}
	}
}

func (t *Target) rebuildPage(ctx context.Context, r schema.GroupVersionResource, next string) (*unstructured.UnstructuredList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return t.client.Objects.Resource(r).List(ctx, metav1.ListOptions{Limit: listPage, Continue: next})
}

// remembered is the record of an object that we applied at some time.
func (t *Target) remembered(h head, o *unstructured.Unstructured) (w write, ok bool, err error) {
	key := keyOf(schema.GroupResource{Group: h.Group, Resource: h.Resource}, o.GetNamespace(), o.GetName())
	n, _ := parseKey(key)
	if of, marked := o.GetAnnotations()[mark]; marked && of != t.channel() {
		return write{}, false, nil // another channel's
	}
	if !t.contains(key) || n.own() || o.GetDeletionTimestamp() != nil {
		return write{}, false, nil
	}
	fields, err := ownedRaw(o)
	if fields == nil || err != nil {
		return write{}, false, err
	}
	owned, err := fieldSet(fields)
	if err != nil {
		return write{}, false, err
	}
	applied, _ := extracted(o.Object, owned).(map[string]any)
	if applied == nil {
		applied = map[string]any{}
	}
	value, err := canonical(unmarked(named(applied, o)))
	if err != nil {
		return write{}, false, err
	}
	h.UID, h.Seen, h.Sum = string(o.GetUID()), o.GetResourceVersion(), sumOf(value)
	return write{key: key, record: &record{head: h, body: body{Applied: value, Fields: fields}}, untouched: true}, true, nil
}
