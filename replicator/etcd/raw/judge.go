package raw

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/status"
)

// verdict is what becomes of one delivered change.
type verdict struct {
	change change.Change // as it is written; Key is nil when nothing is
	left   []byte        // the key of an object of others that is left alone
	why    string        // the reason to refuse it, of package status, or ""
	err    error         // in words, when it is refused
}

func invalid(err error) verdict { return verdict{why: status.Invalid, err: err} }

func no(try, format string, args ...any) verdict {
	return invalid(&object.Refusal{Reason: fmt.Sprintf(format, args...), Try: try})
}

func waiting(try, format string, args ...any) verdict {
	v := no(try, format, args...)
	v.why = status.Waiting
	return v
}

// judging is one set of changes that is written together.
type judging struct {
	t *Target
	state
	comes map[string]bool // namespaces that the same set brings
}

func (t *Target) judge(ctx context.Context, changes []change.Change) (*judging, error) {
	s, err := t.stateFor(ctx, changes)
	j := &judging{t: t, state: s, comes: map[string]bool{}}
	if err != nil {
		return j, err
	}
	for _, c := range changes {
		if k, err := t.parse(c.Key); err == nil && isObject(c.Key) && k.Word() == "namespaces" && c.Op == change.Put {
			j.comes[k.Name] = t.allows(k) == nil
		}
	}
	return j, nil
}

// verdict judges one change. The error is one of the etcd.
func (j *judging) verdict(ctx context.Context, c change.Change) (verdict, error) {
	switch {
	case !isObject(c.Key) && j.t.isStored(c.Key):
		return no("select the objects in a rule with resources: in place of the prefix",
			"bytes of another cluster are not copied among the objects of this one"), nil
	case !isObject(c.Key):
		return verdict{change: c}, nil
	}
	k, err := j.t.parse(c.Key)
	if err != nil {
		return invalid(err), nil
	}
	o := &objectChange{judging: j, Change: c, k: k, at: j.t.stored(k)}
	o.old = j.value(o.at)
	switch {
	case c.Op == change.Delete:
		return o.delete(), nil
	case change.IsReleased(c.Value):
		return verdict{change: change.Change{Op: change.Put, Key: o.at, Value: c.Value}}, nil
	}
	if err := j.t.allows(k); err != nil {
		return invalid(err), nil
	}
	for _, proven := range []func() error{
		func() error { return j.t.knows(ctx, k.Word()) },
		func() error { return j.t.readable(ctx, k) },
	} {
		if err := proven(); err != nil {
			return refusalOrError(err)
		}
	}
	return o.put(), nil
}

// objectChange is a change of one object.
type objectChange struct {
	*judging
	change.Change
	k   object.Key
	at  []byte // its key in etcd
	old []byte // what stands there, nil when nothing does
}

// delete carries out deletes of what we wrote. What is not there, and objects of
// the edge's own, are none to delete.
func (o *objectChange) delete() verdict {
	if o.old == nil {
		return verdict{change: change.Change{Op: change.Delete, Key: o.at}}
	}
	now, err := o.t.show(o.k, o.Key, o.old)
	if err != nil || !now.ours {
		return verdict{left: o.at}
	}
	if keeps(o.k) {
		return no("delete it through the API server of the edge", "a namespace is never deleted past an API server: what lies in it would stay behind")
	}
	if err := o.t.allows(o.k); err != nil {
		return invalid(err)
	}
	m, err := object.ReadMeta(o.old)
	switch {
	case err != nil:
		return invalid(err)
	case m.Deleting:
		return waiting("see which of its finalizers does not end; syncer parked retry", "the edge is deleting it, and has not finished")
	case o.hasFinalizers():
		return no("delete it through the API server of the edge, or "+tryKubernetes, "it has finalizers at the edge, which would not run")
	}
	return verdict{change: change.Change{Op: change.Delete, Key: o.at}}
}

func (o *objectChange) hasFinalizers() bool {
	d, err := object.Decode(o.k, o.old)
	if err != nil {
		return true // nothing shows that there are none
	}
	metadata, _ := d.Fields()["metadata"].(map[string]any)
	finalizers, _ := metadata["finalizers"].([]any)
	return len(finalizers) > 0
}

// put judges an object and what stands in its place, and makes what is stored.
func (o *objectChange) put() verdict {
	if v := o.hasPlace(); v.why != "" {
		return v
	}
	if unknown(o.Value) {
		return o.ontoOld(nil, nil)
	}
	wanted, err := object.Decode(o.k, o.Value)
	if err != nil {
		return invalid(err)
	}
	intent := wanted.Intent()
	if v := o.isIntent(wanted, intent); v.why != "" {
		return v
	}
	if v := o.isKnown(intent); v.why != "" {
		return v
	}
	return o.ontoOld(&wanted, intent)
}

// unknown is a value of which the size is all that is known.
func unknown(value []byte) bool { return len(bytes.Trim(value, "\x00")) == 0 }

// isIntent refuses what another cluster decided, which the edge would act on, and
// what would not come back as it was delivered.
func (o *objectChange) isIntent(wanted object.Object, intent map[string]any) verdict {
	if m, err := object.ReadMeta(o.Value); err != nil {
		return invalid(err)
	} else if reason, withheld := object.Withheld(o.k, m); withheld {
		return no(tryPolicy, "it does not cross between clusters: %s", reason)
	}
	if path := beyond(wanted.Fields(), intent); path != "" {
		return no("see that the exporter is of this version, and "+tryPolicy, "it holds %s, which is for the edge to decide", path)
	}
	if text, err := object.Canonical(intent); err != nil || !bytes.Equal(text, o.Value) {
		return no("see that the exporter is of this version, and that no transform leaves an empty field behind", "it is not in the form in which intents are delivered")
	}
	return verdict{}
}

// beyond is the path of something in the first that the second lacks, or "".
func beyond(all, some map[string]any) string {
	for _, name := range sortedNames(all) {
		inner, ok := some[name]
		if !ok {
			return name
		}
		a, isMap := all[name].(map[string]any)
		s, both := inner.(map[string]any)
		if !isMap || !both {
			continue
		}
		if path := beyond(a, s); path != "" {
			return name + "." + path
		}
	}
	return ""
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// hasPlace waits for the namespace of an object, and for its definition.
func (o *objectChange) hasPlace() verdict {
	if !o.k.Namespaced || o.comes[o.k.Namespace] {
		return verdict{}
	}
	const try = "make the namespace at the edge, or select it in the policy; then syncer parked retry"
	value := o.value(o.t.stored(namespaceOf(o.k)))
	if value == nil {
		return waiting(try, "the edge has no namespace %s", o.k.Namespace)
	}
	if m, err := object.ReadMeta(value); err == nil && m.Deleting {
		return waiting(try, "the edge is deleting the namespace %s", o.k.Namespace)
	}
	return verdict{}
}
