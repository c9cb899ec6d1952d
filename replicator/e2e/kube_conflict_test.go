package e2e

import (
	"slices"
	"testing"

	objects "github.com/syncer-io/syncer/filter/object"
	"github.com/syncer-io/syncer/replicator/command"
	"github.com/syncer-io/syncer/replicator/status"
)

const conflictPolicy = `apiVersion: syncer/v1alpha1
kind: Policy
metadata: {name: flags}
spec:
  defaults: {maxDeletePercent: 100}
  rules:
    - {name: held, resources: [configmaps], namespaces: [held], conflict: hold}
    - {name: local, resources: [configmaps], namespaces: [local], conflict: edge-wins}
    - {name: usual, resources: [configmaps], namespaces: [usual]}
    - {name: cluster, resources: [namespaces], names: [held, local, usual]}
`

// edited is a live edge that is in sync, with the settings "a" and "b" in each
// namespace.
func edited(t *testing.T) *live {
	t.Helper()
	l := newLive(t, conflictPolicy)
	for _, namespace := range []string{"held", "local", "usual"} {
		l.store(objects.Key{Resource: "namespaces", Name: namespace}, objectOf("v1", "Namespace", "", namespace))
		l.store(setting(namespace, "a", "1"))
		l.store(setting(namespace, "b", "1"))
	}
	l.startExporter()
	l.startImporter()
	l.report("is in sync", in(status.InSync))
	return l
}

// edit is what somebody on site makes of a setting.
func (l *live) edit(namespace, name, value string) {
	l.t.Helper()
	o := object("v1", "ConfigMap", namespace, name)
	o["data"] = map[string]any{"a": value}
	if err := l.plane.Client().Apply(l.t.Context(), o); err != nil {
		l.t.Fatal(err)
	}
}

// decided waits until somebody's decision about a setting is carried out.
func (l *live) decided(take command.Take, namespace, name string) {
	l.t.Helper()
	c := command.New(command.Resolve)
	c.Take, c.Keys = take, [][]byte{[]byte("/kubernetes/configmaps/" + namespace + "/" + name)}
	l.ask("store-1", c)
	l.report("carries out the decision", func(e status.Edge) bool {
		return slices.ContainsFunc(e.Tasks, func(k command.Task) bool { return k.ID == c.ID && k.State == command.Done && k.Keys == 1 })
	})
}

// parked counts the keys that wait for a reason.
func parked(e status.Edge, why string) (keys int) {
	for _, p := range e.Parked {
		if p.Why == why {
			keys += p.Keys
		}
	}
	return keys
}

func waiting(keys int) func(status.Edge) bool {
	return func(e status.Edge) bool { return parked(e, status.Conflict) == keys }
}

// What is edited is held, also when the source changes it, until somebody
// decides: the source's value is applied, or the edge's stays until the source
// changes it again, which is held anew.
func TestALiveClusterHoldsEdits(t *testing.T) {
	t.Parallel()
	l := edited(t)
	l.edit("held", "a", "theirs")
	l.edit("held", "b", "theirs")
	l.report("holds both", waiting(2))
	l.store(setting("held", "a", "2"))
	l.store(setting("held", "b", "2"))
	l.store(setting("usual", "a", "2"))
	l.until("the others are applied", func() bool { return l.says("configmaps", "usual", "a", "2") })
	if !l.says("configmaps", "held", "a", "theirs") || !l.says("configmaps", "held", "b", "theirs") {
		t.Error("what is held is written over")
	}
	l.decided(command.TakeSource, "held", "a")
	l.until("the source's value is there", func() bool { return l.says("configmaps", "held", "a", "2") })
	l.decided(command.TakeEdge, "held", "b")
	l.report("holds nothing more", func(e status.Edge) bool { return e.State == status.InSync && waiting(0)(e) && e.LocalKeys == 1 })
	if !l.says("configmaps", "held", "b", "theirs") {
		t.Error("the edge's value does not stay")
	}
	l.store(setting("held", "a", "3"))
	l.until("what was decided for the source follows it", func() bool { return l.says("configmaps", "held", "a", "3") })
	l.store(setting("held", "b", "3"))
	l.report("holds the other one again", waiting(1))
	if !l.says("configmaps", "held", "b", "theirs") {
		t.Error("what is held again is written over")
	}
	l.decided(command.TakeSource, "held", "b")
	l.until("both are the source's", func() bool { return l.says("configmaps", "held", "b", "3") })
	l.report("is in sync again", func(e status.Edge) bool { return e.State == status.InSync && e.LocalKeys == 0 })
}

// What the edge changes, deletes and makes stays, whatever the source does.
func TestALiveClusterThatWinsKeepsItsEdits(t *testing.T) {
	t.Parallel()
	l := edited(t)
	l.edit("local", "a", "theirs")
	if err := l.plane.Client().Delete(t.Context(), "configmaps", "local", "b"); err != nil {
		t.Fatal(err)
	}
	l.edit("local", "made", "theirs")
	l.edit("usual", "made", "theirs") // nor where the source wins
	keeps := func(what string) {
		t.Helper()
		at := l.sourceRevision()
		l.report(what, func(e status.Edge) bool {
			return e.State == status.InSync && e.VerifiedRevision >= at && e.LocalKeys == 2
		})
		if !l.says("configmaps", "local", "a", "theirs") || l.at("configmaps", "local", "b") != nil ||
			!l.says("configmaps", "local", "made", "theirs") || !l.says("configmaps", "usual", "made", "theirs") {
			t.Errorf("%s: the edge does not keep what it has", what)
		}
	}
	keeps("keeps its own")
	l.store(setting("local", "a", "2"))
	l.store(setting("local", "b", "2"))
	l.store(setting("usual", "a", "2"))
	l.until("the others are applied", func() bool { return l.says("configmaps", "usual", "a", "2") })
	keeps("keeps its own when the source changes it")
	l.decided(command.TakeSource, "local", "b")
	l.until("what somebody gave back is there", func() bool { return l.says("configmaps", "local", "b", "2") })
}
