package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/failpoint"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/status"
)

// mostTries bounds how often controllers may come in between with writes that do
// not matter to us.
const mostTries = 50

// errBusy says that an object was never twice the same.
var errBusy = errors.New("others write the object all the time")

// applying is one object on its way.
type applying struct {
	t      *Target
	put    *put
	newest func(key []byte) int64
	at     dynamic.ResourceInterface
	head   head // of the resource

	old         record
	known       bool // old is what we applied
	uid, guard  string
	force       bool
	unavoidable bool // the caller knows what others did
}

// apply brings one object to the server. A nil record says that there was
// nothing to do. The error is [*target.Dirty] when others wrote the object above
// newest, or that of the server.
func (t *Target) apply(ctx context.Context, p *put, newest func([]byte) int64) (*record, error) {
	old, known, err := t.inventory.get(p.key)
	if err != nil {
		return nil, err
	}
	known = known && !old.Released
	if known && !t.doubt && !old.Leaving && old.Edit == nil && string(old.Sum) == string(p.sum) {
		return nil, nil //nolint:nilnil // there is nothing to do
	}
	a := &applying{t: t, put: p, newest: newest, old: old, known: known}
	if a.at, a.head, err = t.place(ctx, p); err != nil {
		return nil, err
	}
	if err := a.aim(); err != nil {
		return nil, err
	}
	for range mostTries {
		answer, err := a.send(ctx)
		switch {
		case err == nil:
			return a.written(answer)
		case !another(err):
			return nil, err
		}
		done, err := a.look(ctx)
		if done != nil || err != nil {
			return done, err
		}
	}
	return nil, fmt.Errorf("apply %s: %w", p.name, errBusy)
}

// another reports whether the server says that an object is not the one that was
// meant: of another version, of other managers, or made anew.
func another(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) ||
		apierrors.IsInvalid(err) && strings.Contains(err.Error(), "metadata.uid: ")
}

// place is where the objects of a kind are written to.
func (t *Target) place(ctx context.Context, p *put) (dynamic.ResourceInterface, head, error) {
	m, err := t.client.Mapping(ctx, p.kind)
	if err != nil {
		return nil, head{}, err
	}
	h := head{Group: m.Resource.Group, Version: m.Resource.Version, Resource: m.Resource.Resource, Namespaced: m.Scope.Name() == meta.RESTScopeNameNamespace}
	if word := wordOf(h); word != p.word {
		return nil, head{}, &misplaced{fmt.Errorf("the object is of the resource %s, and its key says %s", word, p.word)}
	}
	if h.Namespaced != p.namespaced {
		return nil, head{}, &misplaced{fmt.Errorf("the key says whether %s lie in namespaces, and this cluster says otherwise", p.word)}
	}
	return t.resource(h, p.namespace), h, nil
}

// misplaced says that an object is not what its key says.
type misplaced struct{ error }

func (m *misplaced) refusal(key []byte) target.Refused {
	return target.Refused{Key: key, Why: status.Invalid, Err: fault.New(fault.Check, tryPolicy, "%w", m.error)}
}

func wordOf(h head) string {
	if h.Group == "" {
		return h.Resource
	}
	return h.Resource + "." + h.Group
}

func (t *Target) resource(h head, namespace string) dynamic.ResourceInterface {
	if h.Namespaced {
		return t.client.Objects.Resource(h.resource()).Namespace(namespace)
	}
	return t.client.Objects.Resource(h.resource())
}

// aim sets the guards: a known object has to be the one that was looked at last,
// or it is not written. UID and version work together with force; UID alone keeps
// us from making again what the edge has deleted.
func (a *applying) aim() error {
	a.force = true
	switch {
	case !a.known:
		a.force = a.newest == nil
	case a.old.Edit == nil:
		a.uid, a.guard = a.old.UID, a.old.Seen
	case a.newest == nil || a.newest(a.put.key) >= a.old.Edit.Revision:
		a.unavoidable = true
		if !a.old.Edit.Deleted {
			a.uid, a.guard = a.old.UID, a.old.Seen
		}
	default: // others wrote what the caller does not know of
		return &target.Dirty{Revision: a.old.Edit.Revision}
	}
	return nil
}

func (a *applying) send(ctx context.Context) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(a.put.sent(a.t.channel(), a.uid, a.guard))
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", a.put.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	failpoint.Hit(failpoint.ObjectApplyBefore)
	answer, err := a.at.Patch(ctx, a.put.name.name, types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: Manager, Force: &a.force})
	failpoint.Hit(failpoint.ObjectApplyAfter)
	return answer, err
}

// look finds out why the server says that there is a conflict, and aims anew. A
// record says that an earlier sending of the same took effect.
func (a *applying) look(ctx context.Context) (*record, error) {
	live, err := get(ctx, a.at, a.put.name.name)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, a.gone(ctx)
	}
	if done, err := says(a.put, live); done || err != nil {
		if err != nil {
			return nil, err
		}
		return a.written(live)
	}
	if err := a.judged(live); err != nil {
		return nil, err
	}
	a.uid, a.guard, a.force = string(live.GetUID()), live.GetResourceVersion(), true
	return nil, nil //nolint:nilnil // try again
}

// written is what the inventory remembers of an object that was applied. One that
// the edge has not finished deleting will be gone, with all that was applied.
func (a *applying) written(o *unstructured.Unstructured) (*record, error) {
	if o.GetDeletionTimestamp() != nil {
		return nil, &unfinished{a.put.name}
	}
	return recordOf(a.put, a.head, o)
}

// unfinished says that an object is still being deleted.
type unfinished struct{ name name }

func (u *unfinished) Error() string {
	return fmt.Sprintf("the edge is deleting %s, and has not finished", u.name)
}

func (u *unfinished) refusal(key []byte) target.Refused {
	return target.Refused{Key: key, Why: status.Waiting, Err: fault.New(fault.Check, "see which of its finalizers does not end; once it is gone it is made again", "%w", u)}
}

// judged fails when others did to the object what the caller does not know of.
func (a *applying) judged(live *unstructured.Unstructured) error {
	now := revision(live.GetResourceVersion())
	switch {
	case a.newest == nil || a.newest(a.put.key) >= now:
		return nil
	case !a.known:
		a.t.watching.found(a.put.key)
		return &target.Dirty{Revision: now}
	}
	r, err := judge(a.old, live)
	if err == nil && r.Edit != nil && a.newest(a.put.key) < r.Edit.Revision {
		err = &target.Dirty{Revision: now}
	}
	return err
}

// gone is for an object that the edge has deleted, or we.
func (a *applying) gone(ctx context.Context) error {
	if a.uid != "" && a.newest != nil && !a.unavoidable && !a.old.Leaving {
		now, err := a.t.now(ctx, a.head, a.put.namespace)
		if err != nil {
			return err
		}
		if a.newest(a.put.key) < now {
			return &target.Dirty{Revision: now}
		}
	}
	a.uid, a.guard, a.known = "", "", false
	return nil
}

// channel is how the mark of an object calls the channel.
func (t *Target) channel() string { return t.key.Source + "/" + t.key.Channel }

// get is nil when there is none.
func get(ctx context.Context, at dynamic.ResourceInterface, name string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	live, err := at.Get(ctx, name, metav1.GetOptions{})
	if absent(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	return live, err
}

// now is a revision of the cluster that is not below anything that was written
// when it was asked for.
func (t *Target) now(ctx context.Context, h head, namespace string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	list, err := t.client.Metadata.Resource(h.resource()).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) { // any list that we may make tells it
		list, err = t.client.Metadata.Resource(configMaps).Namespace(Namespace).List(ctx, metav1.ListOptions{Limit: 1})
	}
	if err != nil {
		return 0, t.client.Explain(err)
	}
	return revision(list.ResourceVersion), nil
}

// remove deletes one object that we applied. What is protected stays, and is
// ours no more. Nothing is deleted that is in no inventory.
func (t *Target) remove(ctx context.Context, key []byte, newest func([]byte) int64) error {
	old, known, err := t.inventory.head(key)
	n, _ := parseKey(key)
	if err != nil || !known || old.Released || old.Edit != nil && old.Edit.Deleted || isProtected(n.word) {
		return err
	}
	d := &removing{t: t, key: key, name: n, newest: newest, old: old, at: t.resource(old, n.namespace), uid: old.UID}
	if newest != nil {
		d.guard = old.Seen
		if old.Edit != nil && newest(key) < old.Edit.Revision {
			return &target.Dirty{Revision: old.Edit.Revision}
		}
	}
	for range mostTries {
		err := d.send(ctx)
		switch {
		case err == nil, absent(err):
			return nil
		case unserved(err):
			served, err := t.elsewhere(ctx, d.old)
			if served == nil || err != nil {
				return err
			}
			d.at = t.resource(*served, n.namespace)
			continue
		case !apierrors.IsConflict(err):
			return err
		}
		if done, err := d.look(ctx); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("delete %s: %w", n, errBusy)
}

// removing is one object on its way out.
type removing struct {
	t          *Target
	key        []byte
	name       name
	newest     func(key []byte) int64
	old        head
	at         dynamic.ResourceInterface
	uid, guard string
}

func (d *removing) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	background := metav1.DeletePropagationBackground
	uid := types.UID(d.uid)
	o := metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}}
	if d.guard != "" {
		o.Preconditions.ResourceVersion = &d.guard
	}
	failpoint.Hit(failpoint.ObjectDeleteBefore)
	err := d.at.Delete(ctx, d.name.name, o)
	failpoint.Hit(failpoint.ObjectDeleteAfter)
	return err
}

// look finds out why the server says that there is a conflict.
func (d *removing) look(ctx context.Context) (done bool, err error) {
	live, err := get(ctx, d.at, d.name.name)
	if live == nil || err != nil {
		return err == nil, err
	}
	if d.newest == nil {
		// Another object of that name is the edge's own.
		return string(live.GetUID()) != d.old.UID, nil
	}
	old, _, err := d.t.inventory.get(d.key)
	if err != nil {
		return false, err
	}
	r, err := judge(old, live)
	if err == nil && r.Edit != nil && d.newest(d.key) < r.Edit.Revision {
		err = &target.Dirty{Revision: revision(live.GetResourceVersion())}
	}
	d.uid, d.guard = string(live.GetUID()), live.GetResourceVersion()
	return false, err
}
