package target

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/syncer-io/syncer/replicator/change"
	"github.com/syncer-io/syncer/replicator/etcd/target"
	"github.com/syncer-io/syncer/replicator/fault"
	"github.com/syncer-io/syncer/replicator/kube/client"
	"github.com/syncer-io/syncer/replicator/status"
)

// Everything at once, in the order of its keys, which is none in which a cluster
// takes it.
func TestOneCommitIsAppliedInWaves(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "waves")
	all := []change.Change{
		configMap(e.ns, "settings", "1"), namespace(e.ns), definition("Wave", e.group), widget("Wave", e.group, e.ns, "w"),
	}
	e.mustCommit(1, all...)
	for _, c := range all {
		if e.live(c) == nil {
			t.Errorf("%s is not there", c.Key)
		}
		if got := e.holds()[string(c.Key)]; got != string(c.Value) {
			t.Errorf("%s is scanned as %s", c.Key, got)
		}
	}
}

func TestNothingIsAppliedTwice(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	all := []change.Change{namespace(e.ns), configMap(e.ns, "a", "1"), configMap(e.ns, "b", "1")}
	e.mustCommit(1, all...)
	before := e.live(all[1]).GetResourceVersion()
	for _, restart := range []bool{false, true} {
		if restart {
			e.crash()
		}
		requests := e.requests(func() { e.mustCommit(2, all...) })
		if requests != 0 {
			t.Errorf("restarted %t: %d objects were sent again", restart, requests)
		}
	}
	if after := e.live(all[1]).GetResourceVersion(); after != before {
		t.Errorf("the object went from version %s to %s", before, after)
	}
}

// A crash between the objects and the inventory: the file is as it was before
// the commit, the cluster is as it is behind it.
func TestACrashAppliesAgainAndChangesNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c, gone := configMap(e.ns, "c", "1"), configMap(e.ns, "gone", "1")
	e.mustCommit(1, namespace(e.ns), c, gone)
	old := e.copyInventory()
	next := configMap(e.ns, "c", "2")
	if _, err := e.Commit(t.Context(), target.Tx{Changes: []change.Change{next, remove(gone)}}); err != nil {
		t.Fatal(err)
	}
	version := e.live(c).GetResourceVersion()
	e.crashWith(old)
	newest := func([]byte) int64 { return 1 } // nobody knows of any edit
	_, err := e.Commit(t.Context(), target.Tx{Changes: []change.Change{next, remove(gone)}, Cursor: &target.Cursor{Revision: 2}, Newest: newest})
	if err != nil {
		t.Fatal(err)
	}
	if now := e.live(c).GetResourceVersion(); now != version {
		t.Errorf("the object was written again: version %s, then %s", version, now)
	}
	if got := e.holds()[string(c.Key)]; got != string(next.Value) {
		t.Errorf("it is scanned as %s", got)
	}
	if e.live(gone) != nil {
		t.Error("the delete did not happen")
	}
}

func TestOnlyWhatIsInTheInventoryIsDeleted(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	mine, theirs := configMap(e.ns, "mine", "1"), configMap(e.ns, "theirs", "1")
	e.mustCommit(1, namespace(e.ns), mine)
	if err := e.plane.Client().Apply(t.Context(), thing("v1", "ConfigMap", e.ns, "theirs", nil)); err != nil {
		t.Fatal(err)
	}
	e.mustCommit(2, remove(mine), remove(theirs))
	if e.live(mine) != nil {
		t.Error("what was applied is not deleted")
	}
	if e.live(theirs) == nil {
		t.Error("what the edge made is deleted")
	}
}

func TestWhatIsProtectedStays(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "kepts")
	ns, crd := namespace(e.ns), definition("Kept", e.group)
	claim := delivered(thing("v1", "PersistentVolumeClaim", e.ns, "data", map[string]any{"spec": map[string]any{
		"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}},
	}}))
	e.mustCommit(1, ns, crd, claim)
	e.mustCommit(2, remove(ns), remove(crd), remove(claim))
	for _, c := range []change.Change{ns, crd, claim} {
		if e.live(c) == nil {
			t.Errorf("%s is deleted", c.Key)
		}
		if _, ours := e.holds()[string(c.Key)]; ours {
			t.Errorf("%s still counts as ours", c.Key)
		}
	}
}

func TestAMissingNamespaceIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	fine, waits := configMap(e.ns, "fine", "1"), configMap(e.ns+"-later", "waits", "1")
	no := rejected(t, e.commit(1, namespace(e.ns), fine, waits))
	r, ok := no[string(waits.Key)]
	if len(no) != 1 || !ok || r.Why != status.Waiting || !strings.Contains(r.Err.Error(), `namespaces "`+e.ns+`-later" not found`) {
		t.Fatalf("refused: %+v", no)
	}
	if e.live(fine) == nil {
		t.Error("the others are not applied")
	}
	e.mustCommit(1) // without it the cursor goes on
	e.tryAgain(waits, false)
	e.mustCommit(2, namespace(e.ns+"-later"))
	e.tryAgain(waits, true)
	if e.live(waits) == nil {
		t.Error("it is not applied")
	}
}

func TestAMissingDefinitionIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "lates")
	waits := widget("Late", e.group, e.ns, "w")
	no := rejected(t, e.commit(1, namespace(e.ns), waits))
	if r := no[string(waits.Key)]; r.Why != status.Waiting || !strings.Contains(fault.Describe(r.Err), "lates."+e.group) {
		t.Fatalf("refused: %+v", no)
	}
	if err := e.plane.Client().Apply(t.Context(), decoded(t, definition("Late", e.group))); err != nil {
		t.Fatal(err)
	}
	e.within("the object to be taken", func() error {
		again, err := e.Again(t.Context(), parkedKeys(waits))
		if err == nil && len(again.Taken) == 0 {
			return errors.New("it is refused still")
		}
		return err
	})
}

func TestAQuotaIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	quota := delivered(thing("v1", "ResourceQuota", e.ns, "few", map[string]any{"spec": map[string]any{"hard": map[string]any{"count/secrets": "1"}}}))
	secret := func(name string) change.Change { return delivered(thing("v1", "Secret", e.ns, name, nil)) }
	e.mustCommit(1, namespace(e.ns), quota)
	e.within("the quota to be counted", func() error {
		used, _, _ := unstructuredString(e.live(quota).Object, "status", "used", "count/secrets")
		if used != "0" {
			return errors.New("used: " + used)
		}
		return nil
	})
	first := secret("a")
	e.mustCommit(2, first)
	second := secret("b")
	no := rejected(t, e.commit(3, second))
	if r := no[string(second.Key)]; r.Why != status.Waiting || !strings.Contains(r.Err.Error(), "exceeded quota") {
		t.Fatalf("refused: %+v", no)
	}
	e.mustCommit(3)
	e.mustCommit(4, remove(first))
	e.within("room in the quota", func() error {
		again, err := e.Again(t.Context(), parkedKeys(second))
		if err == nil && len(again.Taken) == 0 {
			return errors.New("it is refused still")
		}
		return err
	})
}

func TestAWebhookThatIsDownIsWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	hook := delivered(thing("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", e.ns, map[string]any{"webhooks": []any{map[string]any{
		"name": "down.example.com", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 1,
		"clientConfig":      map[string]any{"url": "https://127.0.0.1:1/"},
		"rules":             []any{map[string]any{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"configmaps"}}},
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": e.ns}},
	}}}))
	e.mustCommit(1, namespace(e.ns), hook)
	c := configMap(e.ns, "a", "1")
	var no map[string]target.Refused
	e.within("the webhook to be asked", func() error {
		err := e.commit(2, c)
		if err == nil {
			e.mustCommit(2, remove(c))
			return errors.New("it was not asked yet")
		}
		no = rejected(t, err)
		return nil
	})
	if r := no[string(c.Key)]; r.Why != status.Waiting || !strings.Contains(r.Err.Error(), "down.example.com") {
		t.Fatalf("refused: %+v", no)
	}
	e.mustCommit(3, remove(hook))
	e.within("the object to be taken", func() error {
		again, err := e.Again(t.Context(), parkedKeys(c))
		if err == nil && len(again.Taken) == 0 {
			return errors.New("it is refused still")
		}
		return err
	})
}

func TestWhatTheServerRefusesIsToldInItsWords(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "plains")
	e.mustCommit(1, namespace(e.ns), definition("Plain", e.group))
	fixed := func(value string) change.Change {
		return delivered(thing("v1", "ConfigMap", e.ns, "fixed", map[string]any{"immutable": true, "data": map[string]any{"a": value}}))
	}
	e.mustCommit(2, fixed("1"))
	for _, c := range []struct {
		what   string
		change change.Change
		why    string
		words  string
		try    string
	}{
		{"an unknown field", delivered(thing("v1", "ConfigMap", e.ns, "x", map[string]any{"dta": map[string]any{}})), status.Rejected, "field not declared in schema", "upgrade the edge"},
		{"an immutable field", fixed("2"), status.Rejected, "field is immutable", "delete configmaps "},
		{"against its schema", delivered(thing(e.group+"/v1", "Plain", e.ns, "p", map[string]any{"spec": map[string]any{"size": "big"}})), status.Rejected, "size", ""},
		{"a kind that the edge's version lacks", delivered(thing("apps/v9", "Deployment", e.ns, "d", map[string]any{"spec": map[string]any{}})), status.Waiting, "apps/v9", "upgrade the edge"},
		{"too large", configMap(e.ns, "large", strings.Repeat("x", 1<<22)), status.TooLarge, "", "smaller"},
		{"no object", change.Change{Op: change.Put, Key: []byte("/kubernetes/configmaps/" + e.ns + "/x"), Value: []byte("1")}, status.Invalid, "no object", "rule for resources"},
		{"another name", change.Change{Op: change.Put, Key: []byte("/kubernetes/configmaps/" + e.ns + "/y"), Value: configMap(e.ns, "x", "1").Value}, status.Invalid, `is called "x"`, ""},
		{"another resource", change.Change{Op: change.Put, Key: []byte("/kubernetes/secrets/" + e.ns + "/x"), Value: configMap(e.ns, "x", "1").Value}, status.Invalid, "resource configmaps", ""},
		{"syncer's own", configMap(Namespace, "x", "1"), status.Invalid, "syncer's own", ""},
	} {
		no := rejected(t, e.commit(3, c.change))
		r := no[string(c.change.Key)]
		if r.Why != c.why || !strings.Contains(r.Err.Error(), c.words) || !strings.Contains(fault.Try(r.Err), c.try) {
			t.Errorf("%s: %s: %v; try: %s", c.what, r.Why, r.Err, fault.Try(r.Err))
		}
	}
}

// As the remedy of an immutable field says: who deletes the object at the edge
// gets it as it should be.
func TestAnImmutableObjectIsMadeAnewOnceItIsDeleted(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	fixed := func(value string) change.Change {
		return delivered(thing("v1", "ConfigMap", e.ns, "fixed", map[string]any{"immutable": true, "data": map[string]any{"a": value}}))
	}
	e.mustCommit(1, namespace(e.ns), fixed("1"))
	next := fixed("2")
	if r := rejected(t, e.commit(2, next))[string(next.Key)]; r.Why != status.Rejected {
		t.Fatalf("refused: %+v", r)
	}
	e.mustCommit(2)
	e.tryAgain(next, false)
	e.deleteAtEdge(next)
	e.tryAgain(next, true)
	if got := e.holds()[string(next.Key)]; got != string(next.Value) {
		t.Errorf("it is %s", got)
	}
}

func TestALostInventoryIsMadeAnew(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	all := []change.Change{namespace(e.ns), configMap(e.ns, "a", "1"), configMap(e.ns, "b", "1"), configMap(e.ns, "c", "1")}
	e.mustCommit(1, all...)
	e.edit(all[3], `{"data":{"a":"edited"}}`)
	version := e.live(all[1]).GetResourceVersion()
	if err := e.cluster.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(e.inventoryFile()); err != nil {
		t.Fatal(err)
	}
	e.open()
	got := e.holds()
	for _, c := range all[:3] {
		if got[string(c.Key)] != string(c.Value) {
			t.Errorf("%s is scanned as %s, want %s", c.Key, got[string(c.Key)], c.Value)
		}
	}
	if got[string(all[3].Key)] == string(all[3].Value) {
		t.Error("what others took over counts as ours")
	}
	e.mustCommit(2, all...)
	if now := e.live(all[1]).GetResourceVersion(); now != version {
		t.Error("what did not differ was written again")
	}
	if got := e.holds()[string(all[3].Key)]; got != string(all[3].Value) {
		t.Errorf("what differed is %s", got)
	}
	e.mustCommit(3, remove(all[2]))
	if e.live(all[2]) != nil {
		t.Error("a delete does not find what was applied before")
	}
}

func TestAnInventoryOfAnotherClusterIsNotBelieved(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c := configMap(e.ns, "a", "1")
	e.mustCommit(1, namespace(e.ns), c)
	of := about{Format: inventoryFormat, Cluster: "another", Source: e.key.Source, Channel: e.key.Channel}
	if err := e.inventory.built(of); err != nil {
		t.Fatal(err)
	}
	e.crash()
	if got := e.holds()[string(c.Key)]; got != string(c.Value) {
		t.Errorf("scanned as %s", got)
	}
}

// The cluster was restored from a backup: the inventory is ahead of it.
func TestARestoredClusterIsAppliedToAgain(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	c := configMap(e.ns, "a", "1")
	e.mustCommit(1, namespace(e.ns), c)
	e.deleteAtEdge(c)
	e.disturbCursor() // which a restore brings back, too
	e.crash()
	e.mustCommit(1, c)
	if e.live(c) == nil {
		t.Error("the object is not made again")
	}
}

func TestTheSecondOfTwoImportersFencesTheFirst(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.mustCommit(1, namespace(e.ns))
	first := e.Target
	twin := *e
	twin.dir = t.TempDir()
	twin.open()
	_, err := first.Commit(t.Context(), target.Tx{Changes: []change.Change{configMap(e.ns, "a", "1")}})
	var fenced *target.Fenced
	if !errors.As(err, &fenced) {
		t.Errorf("a commit gives %v", err)
	}
	if e.live(configMap(e.ns, "a", "1")) != nil {
		t.Error("an object was written")
	}
	if _, _, _, err := first.Load(t.Context()); !errors.As(err, &fenced) {
		t.Errorf("a look at the cursor gives %v", err)
	}
	if err := first.Park(t.Context(), []target.Parked{{ID: "a"}}); !errors.As(err, &fenced) {
		t.Errorf("parking gives %v", err)
	}
	twin.mustCommit(2, configMap(e.ns, "a", "1"))
}

func TestACursorThatIsGoneHasMoved(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	if err := e.plane.Client().Delete(t.Context(), "configmaps", Namespace, CursorName(e.key)); err != nil {
		t.Fatal(err)
	}
	var moved *target.Moved
	if err := e.commit(1, namespace(e.ns)); !errors.As(err, &moved) || moved.Found {
		t.Errorf("got %v", err)
	}
}

func (e *edge) copyInventory() []byte {
	e.t.Helper()
	if err := e.cluster.Close(); err != nil {
		e.t.Fatal(err)
	}
	raw, err := os.ReadFile(e.inventoryFile())
	if err != nil {
		e.t.Fatal(err)
	}
	e.open()
	return raw
}

func (e *edge) crashWith(inventory []byte) {
	e.t.Helper()
	if err := e.cluster.Close(); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "inventory.db"), inventory, 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.open()
}

func TestAMissingRightIsPrintedAsTheRuleToAdd(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.mustCommit(1, namespace(e.ns))
	poor := rest.CopyConfig(e.plane.Config)
	poor.Impersonate.UserName = e.ns
	c, err := client.Over(t.Context(), poor, "test", logger(t))
	if err != nil {
		t.Fatal(err)
	}
	e.cluster.client = c // the ConfigMaps of the channel stay the administrator's
	change := configMap(e.ns, "a", "1")
	no := rejected(t, e.commit(2, change))
	want := `add to a Role in namespace ` + e.ns + `, or a ClusterRole, of ` + e.ns + ` the rule {apiGroups: [""], resources: ["configmaps"], verbs: ["patch"]}`
	if r := no[string(change.Key)]; r.Why != status.Forbidden || fault.Try(r.Err) != want {
		t.Fatalf("refused: %s: %v; try %q", r.Why, r.Err, fault.Try(r.Err))
	}
	role := thing("rbac.authorization.k8s.io/v1", "Role", e.ns, "edge", map[string]any{
		"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"patch", "create", "get"}}},
	})
	binding := thing("rbac.authorization.k8s.io/v1", "RoleBinding", e.ns, "edge", map[string]any{
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "edge"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": e.ns}},
	})
	for _, o := range []map[string]any{role, binding} {
		if err := e.plane.Client().Apply(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	e.within("the right to count", func() error {
		again, err := e.Again(t.Context(), parkedKeys(change))
		if err == nil && len(again.Taken) == 0 {
			return errors.New("it is refused still")
		}
		return err
	})
}

// An importer that died behind a delete, before it noted that, does not take the
// missing object for what the edge did.
func TestADeleteThatWasCutOffIsOurs(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	gone, back, kept := configMap(e.ns, "gone", "1"), configMap(e.ns, "back", "1"), configMap(e.ns, "kept", "1")
	e.mustCommit(1, namespace(e.ns), gone, back, kept)
	if err := e.inventory.leave([][]byte{gone.Key, back.Key, kept.Key}, true); err != nil {
		t.Fatal(err)
	}
	e.deleteAtEdge(gone)
	e.deleteAtEdge(back)
	edits := func() (keys []string) {
		t.Helper()
		if _, err := e.verify(t.Context(), e.ranges(), func(key []byte, _ record) { keys = append(keys, string(key)) }); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	if keys := edits(); len(keys) > 0 {
		t.Errorf("taken for edits: %q", keys)
	}
	if held := e.holds(); held[string(gone.Key)] != "" || held[string(back.Key)] != "" || held[string(kept.Key)] == "" {
		t.Errorf("what was deleted is not held any more, and what was not is: %q", held)
	}
	newest := func([]byte) int64 { return 1 } // nobody knows of any edit
	_, err := e.Commit(t.Context(), target.Tx{Changes: []change.Change{back, remove(gone)}, Cursor: &target.Cursor{Revision: 2}, Newest: newest})
	if err != nil {
		t.Fatal(err)
	}
	if e.live(gone) != nil || e.live(back) == nil {
		t.Error("what is deleted again has to be gone, and what is put again has to be there")
	}
	e.deleteAtEdge(back)
	e.deleteAtEdge(kept)
	if keys := edits(); len(keys) != 2 {
		t.Errorf("the edge deleted two, and it is told of %q", keys)
	}
}
